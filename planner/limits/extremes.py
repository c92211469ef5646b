"""How far one limit has to move at least: what the relaxation of the others allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.bounds.bounding import bound, proves_violation
from planner.bounds.formulation import Formulation
from planner.limits.knobs import Knob, knobs_of
from planner.limits.targets import target
from planner.problem import PlacementProblem
from planner.time_budget import TimeBudget

CLOSE = 1e-4
"""Share of the limit's value that may be lost to cells of requests."""
WHOLE = 1e-6
"""Share of a request that is taken for rounding of floats."""


def proves_infeasible(problem: PlacementProblem, budget: TimeBudget) -> bool:
    """Whether the relaxation over the full data proves that no plan keeps every limit."""
    if budget.spent():
        return False
    return proves_violation(Formulation(problem).build(), problem.requests.workload, budget)


def proven_extreme(
    problem: PlacementProblem, knob: Knob, loose: float | None, budget: TimeBudget
) -> float | None:
    """Bound, in the knob's own unit, the tightest value at which a plan may exist.

    Parameters
    ----------
    problem
        The problem with the knob as given.
    loose
        Only plans that keep this value are bounded, which makes the bound higher; None for all.

    Returns
    -------
    float or None
        No plan exists with a tighter value (or none keeps `loose` at all); infinitely generous
        where no plan exists whatever the value, and None where nothing was proven.
    """
    if budget.spent():
        return None
    aimed = target(problem, knob, loose)
    relaxation, workload = aimed.relaxation, problem.requests.workload
    gap = CLOSE * abs(knob.given if loose is None else loose)
    found = bound(relaxation, workload, budget, polished=True, absolute_gap=gap)
    if found is None:
        if not proves_infeasible(knob.turn(problem, loose), budget):
            return None
        return knob.looser * np.inf if loose is None else loose
    value = _rounded(problem, knob, found.lower_bound * aimed.sign)
    if loose is None:
        return value
    return min(value, loose) if knob.looser > 0.0 else max(value, loose)


def least_makespan_s(problem: PlacementProblem, budget: TimeBudget) -> float:
    """Bound the makespan of every plan, deadline of the plan aside, by the relaxation [s].

    No plan ends sooner; 0 where that was not bounded in time. The problem has plans.
    """
    limited = problem.with_limits(replace(problem.limits, deadline_s=1.0))
    knob = next(k for k in knobs_of(limited) if k.kind == "deadline")
    return proven_extreme(limited, knob, None, budget) or 0.0


def _rounded(problem: PlacementProblem, knob: Knob, value: float) -> float:
    """Return the bound that whole requests allow."""
    n = problem.n
    if knob.kind == "most":
        return float(max(0.0, (np.ceil(value * n - WHOLE) - 1.0) / n))
    if knob.kind == "least":
        return min(1.0, (float(np.floor(value * n + WHOLE)) + 1.0) / n)
    return float(np.floor(value + WHOLE)) if knob.counts else value
