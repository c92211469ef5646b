"""Plans of less makespan, by trying deadlines: down to the least, or as far as it is for free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from costmodel.arrays import IntArray
from service.planning.clock import Deadline
from service.planning.explanation.extremes import least_makespan
from service.planning.frontier.seeking import Sought, verified
from service.planning.problem import PlacementProblem
from service.planning.result import Plan, SolverOptions
from service.planning.schedule.dealing import deal
from service.planning.search.candidates import latencies_s

Seek = Callable[[PlacementProblem, SolverOptions], Sought]

HASTE = (0.4, 0.7, 1.0, 1.5)
"""Longest latencies that are let in, as multiples of the least makespan proven."""
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
    limited = problem.with_limits(replace(problem.limits, deadline_s=known_s))
    relaxed = least_makespan(limited, clock)
    proven, assigned = (0.0, None) if relaxed is None else relaxed
    hasty = [*_hasty(limited, proven, clock), *([] if assigned is None else [assigned])]
    best = _soonest_dealt(limited, proven, hasty)
    known_s = known_s if best is None else best.makespan_s
    failed, enough = proven, 1.0 + options.relative_gap
    quick = replace(options, relative_gap=ANY_PLAN)
    misses = 0
    for step in range(MOST_STEPS):
        if known_s <= failed * enough or misses == MOST_MISSES or clock.passed():
            break
        target = failed * enough if step == 0 and failed > 0.0 else _middle(failed, known_s)
        tried = seek(
            problem.with_limits(replace(problem.limits, deadline_s=target)),
            replace(quick, time_limit_s=STEP_SHARE * clock.left_s),
        )
        if tried.plan is not None:
            best, known_s, misses = tried.plan, tried.plan.makespan_s, 0
        elif tried.proven_infeasible:
            proven = failed = target
        else:
            failed, misses = target, misses + 1
    return best, min(proven, known_s)


def sooner(
    problem: PlacementProblem, options: SolverOptions, known_s: float, seek: Seek, most_steps: int
) -> Plan | None:
    """Return a plan of less makespan than one that is likely to have the least already.

    The deadline is lowered by steps that grow while plans are found; a step of `relative_gap` that
    finds none is the last. None where that is the first. Parameters as for `soonest`.
    """
    clock = Deadline(options.time_limit_s)
    least = factor = 1.0 + options.relative_gap
    best: Plan | None = None
    for _ in range(most_steps):
        if clock.passed():
            break
        tried = seek(
            problem.with_limits(replace(problem.limits, deadline_s=known_s / factor)),
            replace(options, relative_gap=ANY_PLAN, time_limit_s=STEP_SHARE * clock.left_s),
        )
        if tried.plan is not None:
            best, known_s, factor = tried.plan, tried.plan.makespan_s, factor**2
        elif factor == least:
            break
        else:
            factor = least
    return best


def _hasty(problem: PlacementProblem, bound_s: float, clock: Deadline) -> Iterator[IntArray]:
    """Yield assignments of least makespan that leave out pairs of a long latency, (n,) each.

    The relaxation sees device-seconds only: a long request on a wide placement ends a block late.
    """
    latency_s = latencies_s(problem)
    for factor in HASTE:
        found = least_makespan(problem, clock, latency_s <= factor * bound_s)
        if found is not None:
            yield found[1]


def _soonest_dealt(
    problem: PlacementProblem, bound_s: float, assigned: Iterable[IntArray]
) -> Plan | None:
    """Deal assignments out and return the soonest that keeps the limits."""
    hurried = problem.with_limits(replace(problem.limits, deadline_s=bound_s))
    schedules = sorted((deal(hurried, p) for p in assigned), key=lambda s: s.makespan_s)
    return next((plan for s in schedules if (plan := verified(problem, s)) is not None), None)


def _middle(low: float, high: float) -> float:
    return (low * high) ** 0.5 if low > 0.0 else 0.5 * high
