"""Field types that several schemas share: tokens, seconds, joules, ratios."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    with_config,
)
from typing_extensions import TypedDict

from costmodel.moments import read_zoned_moment
from service.calls.schemas.names import matching

MAX_TOKENS = 10_000_000
"""Most tokens of a request: above any published context, and every sum of tokens stays exact."""
MAX_SECONDS = 1e8
"""Longest time limit, deadline or horizon that is taken seriously [s]: three years."""
MAX_JOULES = 1e15
MAX_CONCURRENCY = 100_000
MAX_DEVICES = 100_000
MAX_WATTS = 1e6


class BodySchema(BaseModel):
    """Base of everything that is read: unknown keys, wrong types, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


@with_config(extra="forbid", allow_inf_nan=False)
class Answer(TypedDict):
    """Base of everything that is written: checked by types where it is written, and never again."""


_One = TypeVar("_One")
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Table: TypeAlias = list[list[_One]] | NDArray[Any]
    """Lists of an answer, or the array that orjson writes as them."""
else:
    Table = list[list[_One]]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Instant = Annotated[
    float,
    BeforeValidator(read_zoned_moment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "description": "Unix time in s, ms, us or ns."},
                {"type": "string", "description": "ISO 8601 with its zone."},
            ],
            "examples": [1790000000.5, "2026-09-21T14:13:20.5Z"],
        },
        mode="validation",
    ),
]
"""A moment, told by another machine, as seconds since 1970-01-01 UTC."""


def whole(value: object) -> object:
    """Return a float that is whole as the integer that it is; refuse one that is not.

    Examples
    --------
    >>> whole(812.0), whole("812"), whole(True)
    (812, '812', True)
    """
    if not isinstance(value, float):
        return value
    if not value.is_integer():
        raise ValueError(f"Expected a whole number, got {value:.15g}.")
    return int(value)


WHOLE = BeforeValidator(whole)
"""Takes whole floats as integers: writers of JSON, CSV and Parquet turn integers into floats
unasked, as pandas does where one is NaN."""

RequestId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=256,
        description="The caller's name for the request, unique in the call.",
        examples=["r1"],
    ),
]
InputTokens = Annotated[
    int, Field(ge=0, le=MAX_TOKENS, description="Tokens of the prompt.", examples=[812]), WHOLE
]
COUNT, QUANTILES, PROMPTS = "[count]", "[quantiles]", "[prompts]"
"""What distinguishes the ways of stating tokens; not part of any path in a body."""


def _prompt_kind(value: object) -> str:
    return PROMPTS if isinstance(value, list) else COUNT


PromptTokens = Annotated[
    Annotated[InputTokens, Tag(COUNT)]
    | Annotated[
        list[InputTokens],
        Field(
            min_length=1,
            description="Tokens of each prompt of a request that holds several.",
            examples=[[812, 96]],
        ),
        Tag(PROMPTS),
    ],
    Discriminator(_prompt_kind),
]
OutputTokens = Annotated[
    int,
    Field(ge=1, le=MAX_TOKENS, description="Tokens of the answer, an estimate.", examples=[154]),
    WHOLE,
]
MAX_CHOICES = 1_024
ChoiceCount = Annotated[
    int,
    Field(
        ge=1,
        le=MAX_CHOICES,
        description="Answers wanted of each prompt (`n`), 1 where left out: each of "
        "`output_tokens`, in a slot of its own.",
    ),
    WHOLE,
]
_QUANTILE = r"p(0[5-9]|[1-9][0-9])"
QuantileName = Annotated[
    str,
    Field(json_schema_extra={"pattern": f"^{_QUANTILE}$"}),
    AfterValidator(matching(_QUANTILE, "the name of a quantile, p05 to p99")),
]


def rising(quantiles: dict[str, float]) -> dict[str, float]:
    """Return quantiles that do not fall as their probability rises; refuse others."""
    names = sorted(quantiles)
    for lower, upper in itertools.pairwise(names):
        if quantiles[upper] < quantiles[lower]:
            message = (
                f"Expected quantiles that do not fall, got {upper} = {quantiles[upper]:g} below "
                f"{lower} = {quantiles[lower]:g}."
            )
            raise ValueError(message)
    return quantiles


OutputQuantiles = Annotated[
    dict[QuantileName, Annotated[float, Field(ge=1, le=MAX_TOKENS)]],
    Field(
        min_length=2,
        description="Quantiles of the tokens of the answer, p05 to p99, two or more, not falling.",
        examples=[{"p50": 120, "p90": 400}],
    ),
    AfterValidator(rising),
]


def _estimate_kind(value: object) -> str:
    return QUANTILES if isinstance(value, dict) else COUNT


OutputEstimate = Annotated[
    Annotated[OutputTokens, Tag(COUNT)] | Annotated[OutputQuantiles, Tag(QUANTILES)],
    Discriminator(_estimate_kind),
]
Score = Annotated[float, Field(ge=0, le=1, description="An LLM's quality score, 0 to 1.")]
Ratio = Annotated[float, Field(ge=0, le=1, description="A share, 0 to 1.")]
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS, description="Seconds, above 0.")]
Joules = Annotated[float, Field(gt=0, le=MAX_JOULES, description="Joules, above 0.")]
Grams = Annotated[
    float, Field(ge=0, le=1e6, description="Grams of carbon dioxide equivalent, at least 0.")
]
CarbonCap = Annotated[float, Field(gt=0, le=1e12, description="Grams, above 0.")]
Money = Annotated[float, Field(gt=0, le=1e15, description="Money, in the pools' currency.")]
Price = Annotated[float, Field(ge=0, le=1e9, description="Money, in any one currency, at least 0.")]
Watts = Annotated[float, Field(ge=0, le=MAX_WATTS, description="Watts, at least 0.")]


class PlanLimits(BodySchema):
    """Limits of a whole plan that a body and a query state alike."""

    deadline_seconds: Annotated[
        Seconds | None, Field(description="Every request is finished by then [s], above 0.")
    ] = None
    max_energy_joules: Annotated[
        Joules | None, Field(description="Cap on the energy of the plan [J], above 0.")
    ] = None
    max_carbon_grams: Annotated[
        CarbonCap | None, Field(description="Cap on the carbon dioxide of the plan [g], above 0.")
    ] = None
    max_money: Annotated[
        Money | None, Field(description="Cap on the money of the plan, above 0.")
    ] = None
    min_mean_quality: Annotated[
        Score | None, Field(description="Floor on the token-weighted mean quality, 0 to 1.")
    ] = None
