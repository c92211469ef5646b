"""The plan of least makespan: deadlines tried between a proven bound and the soonest plan known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from service.planning.clock import Deadline
from service.planning.explanation.extremes import least_makespan
from service.planning.frontier.seeking import HeadStart, Sought
from service.planning.problem import PlacementProblem
from service.planning.result import Plan, SolverOptions
from service.planning.schedule.dealing import deal
from service.planning.schedule.schedule import Schedule

Seek = Callable[[PlacementProblem, SolverOptions, HeadStart | None], Sought]

MOST_STEPS = 40
"""Deadlines that are tried at most; 40 halvings of an interval leave nothing of it."""
STEP_SHARE = 0.34
"""Share of the time left that one try may take: a try that finds nothing uses all of it."""
MOST_MISSES = 3
"""Tries in a row that find neither a plan nor a proof that there is none."""
ANY_PLAN = 1.0
"""Relative gap with which the first plan found is good enough."""


def soonest(
    problem: PlacementProblem,
    options: SolverOptions,
    known_s: float,
    seek: Seek,
    most_steps: int = MOST_STEPS,
) -> tuple[Plan | None, float]:
    """Return the plan of least makespan, None where none beats the known one, and a bound [s].

    The bound is proven: no plan has a smaller makespan.

    Parameters
    ----------
    problem
        The limits to keep; its objective only steers the search.
    options
        `relative_gap` ends the search: the makespan is at most that far above the bound, or above
        a deadline at which no plan was found.
    known_s
        Makespan of a plan that keeps the limits [s].
    seek
        Looks for a plan.
    """
    clock = Deadline(options.time_limit_s)
    best: Plan | None = None
    limited = problem.with_limits(replace(problem.limits, deadline_s=known_s))
    proven, dealt = _relaxed(limited, clock)
    failed, enough = proven, 1.0 + options.relative_gap
    quick = replace(options, relative_gap=ANY_PLAN)
    misses = 0
    for step in range(most_steps):
        if known_s <= failed * enough or misses == MOST_MISSES or clock.passed():
            break
        start, target = None, _middle(failed, known_s)
        if step == 0 and dealt is not None and dealt.makespan_s < known_s:
            start, target = HeadStart(((dealt.placement, dealt.device),)), dealt.makespan_s
        elif step <= 1 and failed == proven > 0.0:
            target = failed * enough
        tried = seek(
            problem.with_limits(replace(problem.limits, deadline_s=target)),
            replace(quick, time_limit_s=STEP_SHARE * clock.left_s),
            start,
        )
        if tried.plan is not None:
            best, known_s, misses = tried.plan, tried.plan.makespan_s, 0
        elif tried.proven_infeasible:
            proven = failed = target
        else:
            failed, misses = target, misses + 1
    return best, min(proven, known_s)


def _relaxed(problem: PlacementProblem, clock: Deadline) -> tuple[float, Schedule | None]:
    """Bound the makespan by the relaxation [s], and deal its assignment out."""
    found = least_makespan(problem, clock)
    if found is None:
        return 0.0, None
    bound_s, placement = found
    hurried = problem.with_limits(replace(problem.limits, deadline_s=bound_s))
    return bound_s, deal(hurried, placement)


def _middle(low: float, high: float) -> float:
    return (low * high) ** 0.5 if low > 0.0 else 0.5 * high
