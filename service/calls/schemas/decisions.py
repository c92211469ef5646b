"""Bodies and answers of `POST /decision`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, RootModel, model_validator

from service.calls.schemas.answers import WarningAnswer
from service.calls.schemas.fields import (
    Answer,
    BodySchema,
    ChoiceCount,
    OutputTokens,
    PromptTokens,
    RequestId,
    Score,
    Seconds,
)
from service.calls.schemas.names import LlmName, PoolName

MAX_CANDIDATES = 1024
MAX_NAME_CHARACTERS = 259
"""Characters of a deployment's name: the longest host name (253), a colon and a port."""
PRICED_INPUT_TOKENS, PRICED_OUTPUT_TOKENS = 512, 128
"""Tokens of the request that `GET /prices` prices, where the caller does not say."""


class CandidateBody(BodySchema):
    """One deployment that the gateway could send the request to."""

    llm: LlmName
    pool: Annotated[PoolName | None, Field(description="Null for any pool that has the LLM.")] = (
        None
    )
    name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_NAME_CHARACTERS,
            description="The gateway's own name, given back.",
        ),
    ] = None


class DecisionBody(BodySchema):
    """One request, by its token counts or as the gateway got it."""

    id: Annotated[
        RequestId | None, Field(description="Name of the decision; a random one where left out.")
    ] = None
    input_tokens: Annotated[
        PromptTokens | None,
        Field(
            description="Tokens of the prompt, or a list of those of each where the request holds "
            "several; estimated from the request where left out."
        ),
    ] = None
    output_tokens: Annotated[
        OutputTokens | None, Field(description="An estimate; learned or stated where left out.")
    ] = None
    choices: Annotated[
        ChoiceCount | None,
        Field(description="Answers wanted of each prompt; the request's `n` where left out."),
    ] = None
    request: Annotated[
        dict[str, Any] | None,
        Field(
            description="Body of a (chat) completion, a response or a message of Anthropic's API, "
            "whose tokens are estimated from all text that the server will read."
        ),
    ] = None
    llm: Annotated[
        LlmName | None, Field(description="The only LLM that may serve it; else the candidates'.")
    ] = None
    candidates: Annotated[
        list[CandidateBody] | None,
        Field(min_length=1, max_length=MAX_CANDIDATES, description="Null: all of the LLM's."),
    ] = None
    route: Annotated[
        str | None,
        Field(max_length=128, description="Kind of traffic, whose answers' lengths are alike."),
    ] = None
    deadline_seconds: Annotated[Seconds | None, Field(description="From now, above 0.")] = None
    min_quality: Score | None = None

    @model_validator(mode="after")
    def _says_what_it_is(self) -> DecisionBody:
        if self.input_tokens is None and self.request is None:
            raise ValueError("Expected input_tokens or a request, got neither.")
        unnamed = (self.request or {}).get("model") in (None, "")
        if self.llm is None and self.candidates is None and unnamed:
            raise ValueError("Expected an llm, candidates, or a request that names its model.")
        return self


class CompletionBody(RootModel[dict[str, Any]]):
    """Body of an OpenAI (chat) completion, as a gateway passes it on."""


class PredictedAnswer(Answer):
    """A prediction with its 90 % interval."""

    value: float
    low: float | None
    high: float | None


class CorrectionAnswer(Answer):
    """What the cost model's predictions were multiplied by, as actuals told; 1 for nothing."""

    energy: float
    runtime: float


class DecidedPlacement(Answer):
    """Where the request goes, or would have gone."""

    index: int
    llm: str
    pool: str
    device: str
    concurrency: int
    name: str | None
    energy_joules: PredictedAnswer
    runtime_seconds: PredictedAnswer
    device_seconds: float
    correction: CorrectionAnswer
    wait_seconds: Annotated[float, Field(description="Until a slot is free, by predicted ends.")]
    in_time: bool
    extrapolated: Annotated[
        bool, Field(description="Outside what was profiled, as `POST /plan` has it.")
    ]


class RunnerUpAnswer(DecidedPlacement):
    """The next best."""

    why: Annotated[str, Field(description="`price` or `late`: what spoke against it.")]
    extra_price_joules: float


class PolicyAnswer(Answer):
    """What the decision rests on."""

    source: Annotated[str, Field(description="`plan`, `forecast`, `weights` or `fallback`.")]
    plan_id: str | None
    age_seconds: float | None
    expires_in_seconds: float | None


class TokensAnswer(Answer):
    """The tokens that the decision went by."""

    input_tokens: Annotated[float, Field(ge=0, description="Of all prompts together.")]
    prompts: Annotated[
        int, Field(ge=1, description="Each a request of its own on the server that gets them.")
    ]
    output_tokens: Annotated[float, Field(ge=0)]
    output_tokens_high: Annotated[
        float, Field(ge=0, description="Of a long answer, by which it must end in time.")
    ]
    choices: Annotated[
        int, Field(description="Answers wanted of each prompt, each of `output_tokens`.")
    ]
    input_from: Annotated[str, Field(description="`given`, `tokenizer` or `characters`.")]
    output_from: Annotated[str, Field(description="`given`, `learned`, `limit` or `default`.")]


class DecisionAnswer(Answer):
    """Answer of `POST /decision`."""

    decision_id: str
    placement: DecidedPlacement
    runner_up: RunnerUpAnswer | None
    policy: PolicyAnswer
    tokens: TokensAnswer
    warnings: Annotated[
        list[WarningAnswer],
        Field(
            description="Parts of the prompt that count nothing, and candidates that the fleet "
            "does not have."
        ),
    ]


class PriceAnswer(Answer):
    """What one LLM on one pool would offer a request now."""

    llm: str
    pool: str
    device: str
    concurrency: Annotated[int, Field(description="At which the request would run.")]
    price_joules: Annotated[float, Field(description="Joules and the policy's prices.")]
    energy_joules: float
    runtime_seconds: float
    device_seconds: float
    wait_seconds: Annotated[float, Field(description="Until a slot is free, by predicted ends.")]


class PricesAnswer(Answer):
    """Answer of `GET /prices`."""

    policy: PolicyAnswer
    input_tokens: int
    output_tokens: int
    prices: list[PriceAnswer]
