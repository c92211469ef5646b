"""Bodies and answers of `POST /actuals`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from service.schemas.fields import MAX_TOKENS, Answer, Body, LlmName, PoolName, RequestId

MAX_ACTUALS = 10_000
Tokens = Annotated[float, Field(ge=0, le=MAX_TOKENS)]
Positive = Annotated[float, Field(gt=0, le=1e12)]


class ActualBody(Body):
    """What came of one request."""

    id: Annotated[
        RequestId | None,
        Field(description="Told twice, it counts once; the decision's id where left out."),
    ] = None
    decision_id: RequestId | None = None
    plan_id: RequestId | None = None
    llm: LlmName
    pool: PoolName
    route: Annotated[str | None, Field(max_length=128)] = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    runtime_seconds: Annotated[
        Positive | None, Field(description="From sending to the last token.")
    ] = None
    ended_at: Annotated[
        float | None,
        Field(gt=0, le=1e11, description="Unix time of the last token [s]; now where left out."),
    ] = None
    energy_joules: Annotated[
        Positive | None, Field(description="Of this request, where it is metered.")
    ] = None

    @model_validator(mode="after")
    def _has_a_name(self) -> ActualBody:
        if self.id is None and self.decision_id is None:
            raise ValueError("Expected an id or a decision_id, got neither.")
        return self


class ActualsBody(Body):
    """Several at once."""

    actuals: Annotated[list[ActualBody], Field(min_length=1, max_length=MAX_ACTUALS)]


class ActualsAnswer(Answer):
    """Answer of `POST /actuals`, when they are on disk."""

    accepted: int
    duplicates: int


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
