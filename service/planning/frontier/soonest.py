"""The plan of least makespan: deadlines tried between a proven bound and the soonest plan known."""

from __future__ import annotations

from dataclasses import replace

from service.planning.clock import Deadline
from service.planning.explanation.extremes import extreme_where_plans_exist
from service.planning.explanation.knobs import knobs_of
from service.planning.frontier.seeking import seek
from service.planning.problem import PlacementProblem
from service.planning.result import Plan, SolverOptions

MOST_STEPS = 40
"""Deadlines that are tried at most; 40 halvings of an interval leave nothing of it."""
STEP_SHARE = 0.34
"""Share of the time left that one try may take: a try that finds nothing uses all of it."""
ANY_PLAN = 1.0
"""Relative gap with which the first plan found is good enough."""


def soonest(
    problem: PlacementProblem, options: SolverOptions, known: Plan, most_steps: int = MOST_STEPS
) -> tuple[Plan, float]:
    """Return the plan of least makespan that is found, and a proven lower bound on any [s].

    Parameters
    ----------
    problem
        The limits to keep; its objective only steers the search.
    options
        `relative_gap` ends the search: the makespan is at most that far above the bound, or above
        a deadline at which no plan was found.
    known
        A plan that keeps the limits.
    """
    clock = Deadline(options.time_limit_s)
    best, proven = known, least_makespan_s(problem, known.makespan_s, clock)
    failed, enough = proven, 1.0 + options.relative_gap
    for step in range(most_steps):
        if best.makespan_s <= failed * enough or clock.passed():
            break
        target = failed * enough if step == 0 else (failed * best.makespan_s) ** 0.5
        if step == 0 and failed <= 0.0:
            target = 0.5 * best.makespan_s
        tried = seek(
            problem.with_limits(replace(problem.limits, deadline_s=target)),
            replace(options, relative_gap=ANY_PLAN, time_limit_s=STEP_SHARE * clock.left_s),
        )
        if tried.plan is not None:
            best = tried.plan
        else:
            failed = target
        if tried.proven_infeasible:
            proven = max(proven, target)
    return best, min(proven, best.makespan_s)


def least_makespan_s(problem: PlacementProblem, known_s: float, clock: Deadline) -> float:
    """Return a makespan that no plan undercuts, by the relaxation over the full data [s].

    `known_s` is the makespan of some plan.
    """
    limited = problem.with_limits(replace(problem.limits, deadline_s=known_s))
    knob = next(knob for knob in knobs_of(limited) if knob.kind == "deadline")
    bound = extreme_where_plans_exist(limited, knob, clock)
    return 0.0 if bound is None else min(bound, known_s)
