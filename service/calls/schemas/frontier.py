"""Body and lines of `POST /plan/frontier`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, with_config

from planner.frontier.axes import AxisName
from service.calls.schemas.answers import (
    PlacementAnswer,
    TimingsAnswer,
    UnplaceableAnswer,
    WarningAnswer,
)
from service.calls.schemas.calls import EITHER_ROWS_OR_COLUMNS, PlanRequest
from service.calls.schemas.fields import WHOLE, Answer, BodySchema


class FrontierSpec(BodySchema):
    """Which front."""

    axes: Annotated[
        list[AxisName],
        Field(
            min_length=2,
            max_length=2,
            description="Two different quantities; points come in ascending order of the first.",
            examples=[["energy", "makespan"]],
            json_schema_extra={"uniqueItems": True},
        ),
    ]
    points: Annotated[
        int,
        Field(ge=2, le=100, description="Most points; fewer where some would be dominated."),
        WHOLE,
    ] = 9

    @field_validator("axes")
    @classmethod
    def _differ(cls, axes: list[AxisName]) -> list[AxisName]:
        if len(set(axes)) < len(axes):
            msg = f"Expected two different axes, got {axes[0]} twice."
            raise ValueError(msg)
        return axes


class FrontierRequest(PlanRequest):
    """Body of `POST /plan/frontier`: that of `/plan` and which front."""

    model_config = ConfigDict(json_schema_extra=EITHER_ROWS_OR_COLUMNS)

    frontier: Annotated[FrontierSpec, Field(description="Axes and number of points.")]


class TotalsAnswer(Answer):
    """Totals of one plan."""

    energy_joules: Annotated[float, Field(ge=0, description="Energy [J].")]
    makespan_seconds: Annotated[float, Field(ge=0, description="Until the last device ends [s].")]
    mean_quality: Annotated[
        float | None, Field(description="Token-weighted, 0 to 1; null where a score is unknown.")
    ]
    carbon_grams: Annotated[
        float | None, Field(description="Carbon dioxide [g]; null where a pool states no figure.")
    ]
    money: Annotated[float | None, Field(description="Null where a pool states no price.")]


_Bound = Annotated[
    float | None,
    Field(description="Proven; null on the other side of the axis."),
]


class ProvenTotals(TotalsAnswer):
    """Totals of one plan, and how far from the best it can be."""

    gap: Annotated[
        float | None,
        Field(
            description="By what share of its value, less what no plan can avoid, the minimised "
            "axis could at most be better with the limited one no worse; null where there is "
            "nothing to gain."
        ),
    ]
    lower_bound: _Bound
    upper_bound: _Bound
    status: Annotated[
        Literal["optimal", "feasible"], Field(description="`optimal` only if proven (gap <= 1e-6).")
    ]
    cut_by_clock: Annotated[bool, Field(description="The time limit cut the search short.")]


class EndAnswer(ProvenTotals):
    """One end of the front: the best plan on `axis`; its bound and gap are of that axis."""

    axis: AxisName


class EndsLine(Answer):
    """First line: the ends of the front."""

    type: Literal["ends"]
    axes: list[AxisName]
    limited: Annotated[AxisName, Field(description="The axis on which each point has a limit.")]
    minimised: Annotated[AxisName, Field(description="The axis that is best at that limit.")]
    ends: list[EndAnswer]
    unplaceable: list[UnplaceableAnswer]
    warnings: list[WarningAnswer]


class PointLine(ProvenTotals):
    """A line for each point, in ascending order of the first axis."""

    type: Literal["point"]
    index: Annotated[int, Field(ge=0, description="Counts from 0.")]
    placements: Annotated[
        list[PlacementAnswer], Field(description="The placements that the plan uses.")
    ]


class LateAnswer(TotalsAnswer):
    """A plan that was found too late to be sent in order."""

    dominates: Annotated[
        list[int], Field(description="Indices of points, sent before, that it is better than.")
    ]


class SummaryLine(Answer):
    """Last line: how it ended."""

    type: Literal["summary"]
    points: Annotated[int, Field(ge=0, description="Points sent.")]
    dominated: Annotated[
        int, Field(ge=0, description="Plans dropped: another is as good on both axes.")
    ]
    late: list[LateAnswer]
    unsolved: Annotated[
        list[float], Field(description="Limits, on the limited axis, for which no time was left.")
    ]
    cut_by_clock: Annotated[bool, Field(description="The time limit cut something short.")]
    timings_seconds: TimingsAnswer


@with_config(extra="allow")
class ProblemLine(Answer):
    """Last line in the place of the summary: what went wrong after the first line was sent."""

    type: Literal["problem"]
    problem: Annotated[dict[str, object], Field(description="Problem details (RFC 9457).")]
