"""What a front is made of: its ends, its points, and what became of the others."""

from __future__ import annotations

from dataclasses import dataclass

from planner.frontier.axes import Axis, AxisName
from planner.result import EnergyBreakdown, PlacementUsage


@dataclass(frozen=True)
class Front:
    """The front that is asked for.

    Attributes
    ----------
    axes
        Two different ones; the points come in ascending order along the first.
    points
        How many levels of the limited axis are solved, its two ends among them.
    """

    axes: tuple[AxisName, AxisName]
    points: int


@dataclass(frozen=True)
class Candidate:
    """The totals of a verified plan on its way to the front.

    Attributes
    ----------
    usage
        What it does with each placement.
    bound
        Proven cost on the minimised axis that no plan undercuts which costs as little on the
        limited one.
    gap
        Relative gap between the plan's cost and `bound`.
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
    """The two ends of a front.

    Attributes
    ----------
    least_minimised, least_limited
        The best plan on either axis, and of those the best on the other.
    limited_bound
        Proven cost that no plan undercuts on the limited axis.
    limited_gap
        Relative gap between it and the end's.
    """

    limited: Axis
    minimised: Axis
    least_minimised: Candidate
    least_limited: Candidate
    limited_bound: float
    limited_gap: float


@dataclass(frozen=True)
class Late:
    """A plan found too late to be sent in order.

    Attributes
    ----------
    dominates
        Indices of points, sent before, that it is better than.
    """

    candidate: Candidate
    dominates: tuple[int, ...]


@dataclass(frozen=True)
class Summary:
    """How a walk along the front ended.

    Attributes
    ----------
    points
        Number of points sent.
    dominated
        Plans that were found and dropped, since another is as good on both axes.
    unsolved
        Limits for which the clock left no time, in the limited axis' own unit.
    late
        Better plans that came too late.
    """

    points: int
    dominated: int
    unsolved: tuple[float, ...]
    late: tuple[Late, ...]
    cut_by_clock: bool


Step = Ends | FrontPoint | Summary
