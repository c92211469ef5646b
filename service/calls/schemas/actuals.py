"""Bodies and answers of `POST /actuals`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from service.calls.schemas.fields import (
    MAX_CONCURRENCY,
    MAX_TOKENS,
    WHOLE,
    Answer,
    BodySchema,
    ChoiceCount,
    Instant,
    RequestId,
)
from service.calls.schemas.names import LlmName, PoolName

MAX_ACTUALS = 1_000
MAX_ACTUALS_BYTES = 512 * 1024
"""The event loop parses them, and decides nothing meanwhile."""
MAX_PROMPTS = 1_000_000
"""Prompts of one request: no body that a server takes holds more."""
Tokens = Annotated[float, Field(ge=0, le=MAX_PROMPTS * MAX_TOKENS)]
Positive = Annotated[float, Field(gt=0, le=1e12)]


class ActualBody(BodySchema):
    """What came of one request."""

    id: Annotated[
        RequestId | None,
        Field(description="Told twice, it counts once; the decision's id where left out."),
    ] = None
    decision_id: RequestId | None = None
    plan_id: Annotated[
        RequestId | None, Field(description="Of the plan that it was part of, to be summed up.")
    ] = None
    llm: LlmName
    pool: PoolName
    route: Annotated[str | None, Field(max_length=128)] = None
    input_tokens: Annotated[Tokens | None, Field(description="Of all prompts together.")] = None
    prompts: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_PROMPTS,
            description="That it held, each a request of its own on its server; the decision's "
            "where left out.",
        ),
        WHOLE,
    ] = None
    output_tokens: Tokens | None = None
    choices: Annotated[
        ChoiceCount | None,
        Field(
            description="Answers that it wanted of each prompt, the decision's where left out; "
            "`output_tokens` are the sum of all."
        ),
    ] = None
    concurrency: Annotated[
        float | None,
        Field(
            ge=1,
            le=MAX_CONCURRENCY,
            description="Requests that shared its device, itself included; the decision's where "
            "left out. Where neither is known and its pool has several levels, nothing is learned "
            "of joules and seconds.",
        ),
    ] = None
    runtime_seconds: Annotated[
        Positive | None, Field(description="From sending to the last token.")
    ] = None
    ended_at: Annotated[
        Instant | None,
        Field(description="Moment of the last token; now where left out."),
    ] = None
    energy_joules: Annotated[
        Positive | None, Field(description="Of this request, where it is metered.")
    ] = None

    @model_validator(mode="after")
    def _has_a_name(self) -> ActualBody:
        if self.id is None and self.decision_id is None:
            raise ValueError("Expected an id or a decision_id, got neither.")
        return self


class ActualsBody(BodySchema):
    """Several at once."""

    actuals: Annotated[
        list[ActualBody],
        # Wording what is wrong with a thousand takes longer than to read them.
        Field(min_length=1, max_length=MAX_ACTUALS, fail_fast=True),
    ]


class ActualsAnswer(Answer):
    """Answer of `POST /actuals`, when they are on disk."""

    accepted: int
    duplicates: int


class PlanSumAnswer(Answer):
    """Sums of one quantity over the requests of a plan of which both sides are known."""

    requests: int
    measured: float
    predicted: Annotated[float, Field(description="For the tokens as they came.")]
    ratio: Annotated[
        float | None, Field(description="Measured over predicted; null where nothing is known.")
    ]


class PlanActualsAnswer(Answer):
    """Answer of `GET /plans/{plan_id}/actuals`, over those that are kept."""

    plan_id: str
    requests: Annotated[int, Field(description="Of which actuals told.")]
    output_tokens: float
    energy_joules: PlanSumAnswer
    runtime_seconds: PlanSumAnswer


class RatioAnswer(Answer):
    """Measured over predicted, for one quantity of one pair."""

    llm: str
    device: str
    quantity: Annotated[str, Field(description="`energy` or `runtime`.")]
    observations: int
    ratio: Annotated[float, Field(description="Geometric mean, old ones forgotten.")]
    recent_ratio: Annotated[float, Field(description="Of the last fifty or so.")]
    applied_factor: Annotated[
        float, Field(description="What predictions of decisions are multiplied by; 1 for none.")
    ]
    drifted: bool


class LengthsAnswer(Answer):
    """Lengths of the answers of one LLM on one route."""

    llm: str
    route: Annotated[str | None, Field(description="Null for all of them together.")]
    answers: Annotated[float, Field(description="That count; old ones are forgotten by halving.")]
    mean: float
    p50: float
    p90: float


class EvidenceAnswer(Answer):
    """Answer of `GET /actuals`."""

    ratios: list[RatioAnswer]
    output_lengths: list[LengthsAnswer]
