"""The requests of a call, as rows or as columns."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from service.calls.schemas.fields import (
    MAX_CONCURRENCY,
    MAX_DEVICES,
    MAX_TOKENS,
    QUANTILES,
    WHOLE,
    BodySchema,
    ChoiceCount,
    InputTokens,
    OutputEstimate,
    OutputTokens,
    PromptTokens,
    QuantileName,
    RequestId,
    Score,
    Seconds,
)
from service.calls.schemas.names import LlmName, PoolName

LlmNames = Annotated[
    list[LlmName],
    Field(min_length=1, max_length=256, description="LLMs that may serve it; null for any."),
]
PoolNames = Annotated[
    list[PoolName],
    Field(min_length=1, max_length=256, description="Pools that may serve it; null for any."),
]


_SOME = Field(min_length=1)
LISTED, MIXED = "[list]", "[mixed]"

OutputQuantileColumns = Annotated[
    dict[QuantileName, Annotated[list[Annotated[float, Field(ge=1, le=MAX_TOKENS)]], _SOME]],
    Field(min_length=2, description="Quantiles of the tokens of all answers, each an array."),
]


def _column_kind(value: object) -> str:
    if isinstance(value, dict):
        return QUANTILES
    is_mixed = isinstance(value, list) and any(isinstance(entry, dict) for entry in value)
    return MIXED if is_mixed else LISTED


def _prompts_kind(value: object) -> str:
    is_mixed = isinstance(value, list) and any(isinstance(entry, list) for entry in value)
    return MIXED if is_mixed else LISTED


InputColumn = Annotated[
    Annotated[list[InputTokens], _SOME, Tag(LISTED)]
    | Annotated[list[PromptTokens], _SOME, Tag(MIXED)],
    Discriminator(_prompts_kind),
]
OutputColumn = Annotated[
    Annotated[list[OutputTokens], _SOME, Tag(LISTED)]
    | Annotated[list[OutputEstimate], _SOME, Tag(MIXED)]
    | Annotated[OutputQuantileColumns, Tag(QUANTILES)],
    Discriminator(_column_kind),
]


class Pin(BodySchema):
    """Where a request must run: any of these, at least one."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    llm: LlmName | None = None
    pool: PoolName | None = None
    concurrency: Annotated[
        int | None,
        Field(ge=1, le=MAX_CONCURRENCY, description="One that the pool offers."),
        WHOLE,
    ] = None
    device_index: Annotated[
        int | None,
        Field(ge=0, lt=MAX_DEVICES, description="Which device of its pool, from 0."),
        WHOLE,
    ] = None

    @model_validator(mode="after")
    def _names_something(self) -> Pin:
        if {self.llm, self.pool, self.concurrency, self.device_index} == {None}:
            raise ValueError("Expected at least one of llm, pool, concurrency, device_index.")
        return self


class RequestRow(BodySchema):
    """One call with its token counts and its own limits."""

    id: Annotated[
        RequestId | None, Field(description="Unique in the call; its index where left out.")
    ] = None
    input_tokens: Annotated[
        PromptTokens,
        Field(
            description="Tokens of the prompt; a list of those of each, of a call of several, "
            "each of which is a request of its own on the server."
        ),
    ]
    output_tokens: Annotated[
        OutputEstimate,
        Field(description="Tokens of the answer, an estimate: a number, or quantiles of it."),
    ]
    llms: LlmNames | None = None
    pools: PoolNames | None = None
    min_quality: Annotated[
        Score | None, Field(description="Least quality score of the LLM that serves it, 0 to 1.")
    ] = None
    deadline_seconds: Annotated[
        Seconds | None, Field(description="Seconds from the start of the plan, above 0.")
    ] = None
    choices: ChoiceCount | None = None
    pinned: Annotated[Pin | None, Field(description="Where it must run; null for anywhere.")] = None


class RequestColumns(BodySchema):
    """The same as arrays of equal length: entry i of each is about request i."""

    id: Annotated[
        list[RequestId] | None,
        Field(description="Unique in the call; the indices as text where left out."),
    ] = None
    input_tokens: Annotated[
        InputColumn,
        Field(description="Numbers; lists of numbers for those that hold several prompts."),
    ]
    output_tokens: Annotated[
        OutputColumn,
        Field(
            description="Estimates: numbers; numbers and objects of quantiles mixed; or one object "
            "of arrays of quantiles."
        ),
    ]
    llms: Annotated[
        list[LlmNames | None] | None, Field(description="LLMs that may serve each; null for any.")
    ] = None
    pools: Annotated[
        list[PoolNames | None] | None, Field(description="Pools that may serve each; null for any.")
    ] = None
    min_quality: Annotated[
        list[Score | None] | None,
        Field(description="Least quality score of the LLM that serves each, 0 to 1."),
    ] = None
    deadline_seconds: Annotated[
        list[Seconds | None] | None,
        Field(description="Seconds from the start of the plan for each, above 0."),
    ] = None
    choices: Annotated[
        list[ChoiceCount | None] | None,
        Field(description="Answers that each wants of a prompt; null or left out: one."),
    ] = None
    pinned: Annotated[
        list[Pin | None] | None, Field(description="Where each must run; null for anywhere.")
    ] = None
