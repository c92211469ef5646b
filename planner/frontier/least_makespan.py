"""The least-makespan search: deadlines are tried down to the least, or while plans are found."""

from __future__ import annotations

from dataclasses import replace

from planner.frontier.finder import Finder, due_by
from planner.limits.extremes import least_makespan_s
from planner.problem import PlacementProblem
from planner.result import Plan, SolverOptions
from planner.time_budget import TimeBudget

QUICK_FACTORS = (1.0, 1.15, 1.5)
"""Deadlines of the first plans, as multiples of the least makespan proven."""
MAX_DEADLINES = 40
"""Deadlines that are tried at most; 40 halvings of an interval leave nothing of it."""
STEP_SHARE = 0.34
"""Share of the time left that one try may take: a try that finds nothing uses all of it."""
MAX_DEADLINE_MISSES = 3
"""Tries in a row that find neither a plan nor a proof that there is none."""
ANY_PLAN = 1.0
"""Relative gap with which the first plan found is good enough."""


def least_makespan(
    problem: PlacementProblem, options: SolverOptions, known_s: float, finder: Finder
) -> tuple[Plan | None, float]:
    """Return the plan of least makespan, None where none beats the known one, and a bound [s].

    The bound is proven: no plan has a smaller makespan. The problem's limits are kept; its
    objective only steers the search. `known_s` is the makespan of a plan that keeps them.
    `relative_gap` ends the search: the makespan is at most that far above the bound, or above a
    deadline at which no plan was found.
    """
    budget = TimeBudget(options.time_limit_s)
    proven = failed = min(known_s, least_makespan_s(problem, budget))
    enough = 1.0 + options.relative_gap
    best: Plan | None = None
    for deadline_s in (factor * proven for factor in QUICK_FACTORS):
        quick = finder.quick_plan(problem, deadline_s, budget) if deadline_s < known_s else None
        if quick is not None and quick.makespan_s < known_s:
            best, known_s = quick, quick.makespan_s
    misses = 0
    for step in range(MAX_DEADLINES):
        if known_s <= failed * enough or misses == MAX_DEADLINE_MISSES or budget.spent():
            break
        deadline_s = failed * enough if step == 0 and failed > 0.0 else _middle(failed, known_s)
        tried = finder.find_plan(due_by(problem, deadline_s), _any_plan(options, budget))
        if tried.plan is not None:
            best, known_s, misses = tried.plan, tried.plan.makespan_s, 0
        elif tried.proven_infeasible:
            proven = failed = deadline_s
        else:
            failed, misses = deadline_s, misses + 1
    return best, min(proven, known_s)


def reduce_makespan(
    problem: PlacementProblem,
    options: SolverOptions,
    known_s: float,
    finder: Finder,
    max_deadlines: int,
) -> Plan | None:
    """Return a plan of less makespan than one that is likely to have the least already.

    The deadline is lowered by steps that grow while plans are found; a step of `relative_gap` that
    finds none is the last. None where that is the first. Parameters as for `least_makespan`.
    """
    budget = TimeBudget(options.time_limit_s)
    minimum = factor = 1.0 + options.relative_gap
    best: Plan | None = None
    for _ in range(max_deadlines):
        if budget.spent():
            break
        tried = finder.find_plan(due_by(problem, known_s / factor), _any_plan(options, budget))
        if tried.plan is not None:
            best, known_s, factor = tried.plan, tried.plan.makespan_s, factor**2
        elif factor == minimum:
            break
        else:
            factor = minimum
    return best


def _any_plan(options: SolverOptions, budget: TimeBudget) -> SolverOptions:
    return replace(options, relative_gap=ANY_PLAN, time_limit_s=STEP_SHARE * budget.left_s)


def _middle(low: float, high: float) -> float:
    return (low * high) ** 0.5 if low > 0.0 else 0.5 * high
