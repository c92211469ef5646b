"""What a front is made of: its ends, its points, and what became of the others."""

from __future__ import annotations

from dataclasses import dataclass

from planner.frontier.axes import Axis, AxisName
from planner.result import EnergyBreakdown, PlacementUsage


@dataclass(frozen=True)
class Front:
    """The front that is asked for.

    The two axes differ; the points come in ascending order along the first. `points` is how many
    levels of the limited axis are solved, its two ends among them.
    """

    axes: tuple[AxisName, AxisName]
    points: int


@dataclass(frozen=True)
class Candidate:
    """The totals of a verified plan on its way to the front.

    `usage` is what it does with each placement. No plan that costs as little on the limited axis
    undercuts `bound` on the minimised one, which is proven; `gap` is the relative one between the
    plan's cost and that.
    """

    energy: EnergyBreakdown
    makespan_s: float
    mean_quality: float | None
    carbon_g: float | None
    money: float | None
    usage: tuple[PlacementUsage, ...]
    minimised: Axis
    limited_cost: float
    minimised_cost: float
    bound: float
    gap: float
    cut_by_clock: bool


@dataclass(frozen=True)
class FrontPoint:
    """A candidate that was sent; `index` counts from 0 along the first axis."""

    index: int
    candidate: Candidate


@dataclass(frozen=True)
class Ends:
    """The two ends of a front: the best plan on either axis, and of those the best on the other.

    No plan undercuts `limited_bound` on the limited axis, which is proven; `limited_gap` is the
    relative gap between that and the end's cost.
    """

    limited: Axis
    minimised: Axis
    least_minimised: Candidate
    least_limited: Candidate
    limited_bound: float
    limited_gap: float


@dataclass(frozen=True)
class Late:
    """A plan found too late to be sent in order, and the points sent before that it beats."""

    candidate: Candidate
    dominates: tuple[int, ...]


@dataclass(frozen=True)
class Summary:
    """How a walk along the front ended.

    `points` counts those sent, `dominated` the plans that were found and dropped, since another is
    as good on both axes. `unsolved` are the limits for which the clock left no time, in the limited
    axis' own unit; `late` the better plans that came too late.
    """

    points: int
    dominated: int
    unsolved: tuple[float, ...]
    late: tuple[Late, ...]
    cut_by_clock: bool


Step = Ends | FrontPoint | Summary
