"""How far one limit has to move at least: what the relaxation of the others allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.bounds.bounding import bound, proves_violation
from planner.bounds.formulation import Formulation
from planner.limits.extreme_problem import extreme_problem
from planner.limits.limit import Limit, limits_of
from planner.problem import PlacementProblem
from planner.time_budget import TimeBudget

AGGREGATION_LOSS = 1e-4
"""Share of the limit's value that aggregates of requests may lose."""
REQUEST_TOLERANCE = 1e-6
"""Share of a request that is taken for rounding of floats."""


def proves_infeasible(problem: PlacementProblem, budget: TimeBudget) -> bool:
    """Whether the relaxation over the full data proves that no plan keeps every limit."""
    if budget.spent():
        return False
    return proves_violation(Formulation(problem).build(), problem.requests.workload, budget)


def proven_extreme(
    problem: PlacementProblem, limit: Limit, loose: float | None, budget: TimeBudget
) -> float | None:
    """Bound the tightest value of a limit at which a plan may exist, in the limit's own unit.

    No plan exists with a tighter value than the one returned; it is infinitely generous where none
    exists whatever the value, None where nothing was proven. Only plans that keep `loose` are
    bounded, which makes the bound higher (`loose` itself is returned where none keeps it); None
    for all.
    """
    if budget.spent():
        return None
    relaxation = extreme_problem(problem, limit, loose)
    gap = AGGREGATION_LOSS * abs(limit.given if loose is None else loose)
    workload = problem.requests.workload
    found = bound(relaxation, workload, budget, ascend=True, absolute_gap=gap)
    if found is None:
        if not proves_infeasible(limit.with_value(problem, loose), budget):
            return None
        return limit.direction * np.inf if loose is None else loose
    value = _rounded(problem, limit, found.lower_bound * limit.direction)
    if loose is None:
        return value
    return min(value, loose) if limit.direction > 0.0 else max(value, loose)


def least_makespan_s(problem: PlacementProblem, budget: TimeBudget) -> float:
    """Bound the makespan of every plan, deadline of the plan aside, by the relaxation [s].

    No plan ends earlier; 0 where that was not bounded in time. The problem has plans.
    """
    limited = problem.with_limits(replace(problem.limits, deadline_s=1.0))
    limit = next(k for k in limits_of(limited) if k.kind == "deadline")
    return proven_extreme(limited, limit, None, budget) or 0.0


def _rounded(problem: PlacementProblem, limit: Limit, value: float) -> float:
    """Return the bound that whole requests allow."""
    n = problem.n
    if limit.kind == "max_share":
        return float(max(0.0, (np.ceil(value * n - REQUEST_TOLERANCE) - 1.0) / n))
    if limit.kind == "min_share":
        return min(1.0, (float(np.floor(value * n + REQUEST_TOLERANCE)) + 1.0) / n)
    return float(np.floor(value + REQUEST_TOLERANCE)) if limit.counts else value
