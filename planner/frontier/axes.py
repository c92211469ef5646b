"""The quantities that a front can be drawn over, and how the planner limits and minimises each.

Inside this package every quantity is a *cost*: less is better, so mean quality counts negative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from planner.bounds.pair_bounds import unavoidable
from planner.inputs import Limits, Objective, Unit
from planner.problem import PlacementProblem
from planner.result import Plan

AxisName = Literal["energy", "makespan", "mean_quality", "carbon", "money"]


@dataclass(frozen=True)
class Axis:
    """One quantity of a plan, by its name in calls.

    `sign` is 1.0 where less is better, -1.0 where more is: cost = sign * value, the value of a plan
    being in the axis' own unit. `tightened` returns limits that also keep a plan's value at least
    as good as the one given. The cost is minimised by the planner's `objective`, None where none
    does, of which 1 stands for `objective_unit`. `unavoidable` is the part of every plan's value
    that a relative gap leaves out; values are spread by equal ratios if `by_ratio`, else by equal
    steps.
    """

    name: AxisName
    sign: float
    value: Callable[[Plan], float]
    tightened: Callable[[Limits, float], Limits]
    objective: Objective | None
    objective_unit: Callable[[PlacementProblem], float]
    unavoidable: Callable[[PlacementProblem], float]
    by_ratio: bool = True

    @property
    def unit(self) -> Unit | None:
        """What the axis counts the cost of a plan in; None where it is no cost of that kind."""
        return self.objective.minimise if self.objective and self.objective.zeta else None

    def cost(self, plan: Plan) -> float:
        """Return what a plan costs on this axis; less is better."""
        return self.sign * self.value(plan)

    def limit(self, problem: PlacementProblem, cost: float) -> PlacementProblem:
        """Return the problem whose plans cost at most `cost` on this axis."""
        return problem.with_limits(self.tightened(problem.limits, self.sign * cost))

    def minimise(self, problem: PlacementProblem) -> PlacementProblem:
        """Return the problem that minimises this axis; as it is where no objective does."""
        return problem if self.objective is None else problem.with_objective(self.objective)

    def relative_gap(self, problem: PlacementProblem, cost: float, bound: float) -> float:
        """Return by what share of a plan's value its cost is above a bound; at least 0."""
        absolute = max(0.0, cost - bound)
        unit = abs(cost) - self.unavoidable(self.minimise(problem))
        if absolute == 0.0:
            return 0.0
        return absolute / unit if unit > 0.0 else float("inf")


def _least(given: float | None, limit: float) -> float:
    return limit if given is None else min(given, limit)


def _nothing(_: PlacementProblem) -> float:
    return 0.0


def _cost_axis(unit: Unit, value: Callable[[Plan], float]) -> Axis:
    return Axis(
        unit,
        1.0,
        value,
        lambda limits, limit: limits.with_cap(unit, _least(limits.caps.get(unit), limit)),
        Objective(minimise=unit),
        lambda problem: problem.cost_normaliser,
        unavoidable,
    )


MAKESPAN = Axis(
    "makespan",
    1.0,
    lambda plan: plan.makespan_s,
    lambda limits, value: replace(limits, deadline_s=_least(limits.deadline_s, value)),
    None,
    lambda _: 1.0,
    _nothing,
)
MEAN_QUALITY = Axis(
    "mean_quality",
    -1.0,
    lambda plan: plan.mean_quality or 0.0,
    lambda limits, value: replace(
        limits, min_mean_quality=max(limits.min_mean_quality or 0.0, value)
    ),
    Objective(0.0),
    lambda problem: problem.quality_normaliser / float(problem.tokens.sum()),
    _nothing,
    by_ratio=False,
)
ENERGY = _cost_axis("energy", lambda plan: plan.energy.value_j)
CARBON = _cost_axis("carbon", lambda plan: plan.carbon_g or 0.0)
MONEY = _cost_axis("money", lambda plan: plan.money or 0.0)
AXES: Mapping[AxisName, Axis] = {
    axis.name: axis for axis in (ENERGY, MAKESPAN, MEAN_QUALITY, CARBON, MONEY)
}

LIMITED_FIRST: tuple[AxisName, ...] = ("makespan", "mean_quality", "carbon", "money", "energy")
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
