"""What a plan says of itself: where else its requests could run, and what its limits cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from service.calls.schemas.fields import Answer, Count, Table


class AlternativeAnswer(Answer):
    """Another placement of one request."""

    placement: Annotated[int, Field(ge=0, description="Index into `placements`.")]
    llm: str
    pool: str
    concurrency: Annotated[int, Field(ge=1)]
    extra_joules: Annotated[
        float,
        Field(description="Beyond the request's own placement, both at nominal concurrency [J]."),
    ]
    extra_objective: Annotated[float, Field(description="The same of the objective.")]
    stopped_by: Annotated[
        Sequence[str],
        Field(
            description="Names of `shadow_prices`, or `late`, `loading`, `underfill`, `cost`, "
            "`gap`, or why the request is not eligible."
        ),
    ]


class AlternativesAnswer(Answer):
    """Other placements of all requests: entry i of each array is about request i."""

    placement: Table[Count]
    extra_joules: Table[float]
    extra_objective: Table[float]
    stopped_by: Annotated[Table[Count], Field(description="Indices into `reasons`.")]
    reasons: Annotated[
        Sequence[Sequence[str]], Field(description="As `stopped_by` of an assignment, each once.")
    ]


class ShadowPriceAnswer(Answer):
    """By how much the least objective would fall for one unit more of a limit."""

    constraint: Annotated[
        str,
        Field(description="The limit's name; `pools/<name>/device_seconds` for a pool's seconds."),
    ]
    unit: Annotated[
        Literal["second", "device_second", "percent", "point", "joule", "gram", "money", "request"],
        Field(
            description="What one unit is; a `point` is 0.01 of mean quality, `money` one unit of "
            "the pools' currency."
        ),
    ]
    objective: Annotated[float, Field(ge=0, description="By how much the objective falls.")]
    energy_joules: Annotated[
        float | None,
        Field(description="The same in joules; null where joules are not in the objective."),
    ]
