"""The quantities that a front can be drawn over, and how the planner limits and minimises each.

Inside this package every quantity is a *cost*: less is better, so mean quality counts negative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from service.planning.bounds.floors import unavoidable_j
from service.planning.inputs import Limits, Objective
from service.planning.problem import PlacementProblem
from service.planning.result import Plan

AxisName = Literal["energy", "makespan", "mean_quality"]


@dataclass(frozen=True)
class Axis:
    """One quantity of a plan.

    Attributes
    ----------
    name
        As the caller names it.
    sign
        1.0 where less is better, -1.0 where more is: cost = sign * value.
    value
        Of a plan, in its own unit.
    tightened
        Limits that also keep a plan's value at least as good as the one given.
    zeta
        Weight of energy in the objective that minimises the cost; None where no objective does.
    objective_unit
        Cost that an objective of 1 stands for.
    gap_unit
        What an absolute gap is divided by to give a relative one, for a plan of that value.
    by_ratio
        Whether values are spread by equal ratios rather than by equal steps.
    """

    name: AxisName
    sign: float
    value: Callable[[Plan], float]
    tightened: Callable[[Limits, float], Limits]
    zeta: float | None
    objective_unit: Callable[[PlacementProblem], float]
    gap_unit: Callable[[PlacementProblem, float], float]
    by_ratio: bool = True

    def cost(self, plan: Plan) -> float:
        """Return what a plan costs on this axis; less is better."""
        return self.sign * self.value(plan)

    def limit(self, problem: PlacementProblem, cost: float) -> PlacementProblem:
        """Return the problem whose plans cost at most `cost` on this axis."""
        return problem.with_limits(self.tightened(problem.limits, self.sign * cost))

    def aim(self, problem: PlacementProblem) -> PlacementProblem:
        """Return the problem that minimises this axis; as it is where no objective does."""
        return problem if self.zeta is None else problem.with_zeta(self.zeta)

    def relative_gap(self, problem: PlacementProblem, cost: float, bound: float) -> float:
        """Return by what share of a plan's value its cost is above a bound; at least 0."""
        absolute = max(0.0, cost - bound)
        unit = self.gap_unit(problem, self.sign * cost)
        if absolute == 0.0:
            return 0.0
        return absolute / unit if unit > 0.0 else float("inf")


def _plain_value(_: PlacementProblem, value: float) -> float:
    return abs(value)


def _least(given: float | None, limit: float) -> float:
    return limit if given is None else min(given, limit)


AXES: Mapping[AxisName, Axis] = {
    "energy": Axis(
        "energy",
        1.0,
        lambda plan: plan.energy.value_j,
        lambda limits, value: replace(limits, max_energy_j=_least(limits.max_energy_j, value)),
        1.0,
        lambda problem: problem.energy_normaliser_j,
        lambda problem, value: value - unavoidable_j(problem),
    ),
    "makespan": Axis(
        "makespan",
        1.0,
        lambda plan: plan.makespan_s,
        lambda limits, value: replace(limits, deadline_s=_least(limits.deadline_s, value)),
        None,
        lambda _: 1.0,
        _plain_value,
    ),
    "mean_quality": Axis(
        "mean_quality",
        -1.0,
        lambda plan: plan.mean_quality or 0.0,
        lambda limits, value: replace(
            limits, min_mean_quality=max(limits.min_mean_quality or 0.0, value)
        ),
        0.0,
        lambda problem: problem.quality_normaliser / float(problem.tokens.sum()),
        _plain_value,
        by_ratio=False,
    ),
}

LIMITED_FIRST: tuple[AxisName, ...] = ("makespan", "mean_quality", "energy")
"""Of two axes, the earlier one here is limited and the later one minimised.

No objective minimises a makespan; and a floor on quality is easier to keep than a cap on joules,
which a schedule's underfill moves.
"""


def limited_and_minimised(names: tuple[AxisName, AxisName]) -> tuple[Axis, Axis]:
    """Return which of two axes is limited and which is minimised.

    Examples
    --------
    >>> limited, minimised = limited_and_minimised(("energy", "makespan"))
    >>> limited.name, minimised.name
    ('makespan', 'energy')
    """
    first, second = sorted(names, key=LIMITED_FIRST.index)
    return AXES[first], AXES[second]


def objective_for(names: tuple[AxisName, AxisName]) -> Objective:
    """Return an objective under which exactly the pairs are eligible that a front may use.

    A front over quality has no use for LLMs whose score is not known.
    """
    return Objective(0.0 if "mean_quality" in names else 1.0)
