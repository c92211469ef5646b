"""The limits of a problem as knobs: each can be read, turned and taken off."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from service.planning.inputs import CAP_NAMES, Limits, Share, Unit
from service.planning.problem import PlacementProblem
from service.planning.schedule.evaluation import Evaluation, evaluate
from service.planning.schedule.schedule import Schedule, lay_out

MAX_LAYOUTS = 3
"""Times that a plan is laid out anew, each time under the limits that it attained before."""

Kind = Literal["deadline", "own_deadlines", "available", "cap", "quality", "least", "most"]


@dataclass(frozen=True)
class Knob:
    """One limit of a problem.

    Attributes
    ----------
    name
        The limit's name in the request body.
    looser
        1.0 where a larger value is more generous, -1.0 where a smaller one is.
    turn
        Returns the problem with the limit at another value; None takes it off.
    attained
        The tightest value that a schedule keeps.
    llm, pool, unit
        What the limit is about, where it is about one.
    """

    name: str
    kind: Kind
    given: float
    looser: float
    turn: Callable[[PlacementProblem, float | None], PlacementProblem]
    attained: Callable[[PlacementProblem, Schedule, Evaluation], float]
    llm: str | None = None
    pool: int | None = None
    unit: Unit | None = None

    @property
    def counts(self) -> bool:
        """Whether it is a number of requests."""
        return self.name.startswith("min_requests/")

    def whole(self, value: float) -> float:
        """Return a value that the limit can have: a count of requests is a whole number."""
        return math.floor(value) if self.counts else value


def knobs_of(problem: PlacementProblem) -> list[Knob]:
    """Return every limit that the problem sets."""
    limits, found = problem.limits, []
    if limits.deadline_s is not None:
        found.append(
            Knob(
                "deadline_seconds",
                "deadline",
                limits.deadline_s,
                1.0,
                lambda p, v: p.with_limits(replace(p.limits, deadline_s=v)),
                lambda _, schedule, __: schedule.makespan_s,
            )
        )
    if np.isfinite(problem.requests.deadline_s).any():
        found.append(
            Knob("requests/deadline_seconds", "own_deadlines", 1.0, 1.0, _stretch, _lateness)
        )
    found += [_cap(unit, cap) for unit, cap in limits.caps.items()]
    if limits.min_mean_quality:
        found.append(
            Knob(
                "min_mean_quality",
                "quality",
                limits.min_mean_quality,
                -1.0,
                # Not None: an LLM without a score stays out, however low the floor.
                lambda p, v: p.with_limits(replace(p.limits, min_mean_quality=v or 0.0)),
                lambda _, __, evaluation: evaluation.mean_quality or 0.0,
            )
        )
    found += [
        _available(i, s) for i, p in enumerate(problem.pools) if (s := p.available_s) is not None
    ]
    for llm, share in limits.shares.items():
        if share.min > 0.0:
            found.append(_least_share(llm, share.min))
        if share.max < 1.0:
            found.append(_most_share(llm, share.max))
    found += [
        _least_requests(llm, count) for llm, count in limits.min_requests.items() if count > 0
    ]
    return [_named(problem, knob) for knob in found]


def keep_own_order(
    problem: PlacementProblem, knobs: Sequence[Knob], found: tuple[Schedule, Evaluation]
) -> tuple[Schedule, Evaluation] | None:
    """Return the plan that is on a found one's devices where limits are only as loose as it needs.

    Devices run requests in the order of their deadlines, so that a plan that was found without
    them, or with others, may run in another order, for other joules, where they are back.

    Parameters
    ----------
    problem
        With the limits as given.
    knobs
        The limits that may be loosened.
    found
        A plan of the problem with these loosened, as far as may be.

    Returns
    -------
    tuple of Schedule and Evaluation, or None
        It keeps the limits loosened to what it attains; None where no such plan came up.
    """
    if np.isinf(problem.requests.deadline_s).all():
        return found
    for _ in range(MAX_LAYOUTS):
        loosened = problem
        for knob in knobs:
            value = knob.attained(problem, *found)
            if (value - knob.given) * knob.looser > 0.0:
                loosened = knob.turn(loosened, value)
        schedule = lay_out(loosened, found[0].placement, found[0].device)
        found = schedule, evaluate(loosened, schedule)
        if found[1].feasible:
            return found
    return None


def count_of(problem: PlacementProblem, schedule: Schedule, llm: str) -> int:
    """Count the requests that an LLM serves."""
    of_llm = np.array([p.llm == llm for p in problem.placements])
    return int(of_llm[schedule.placement].sum())


def _named(problem: PlacementProblem, knob: Knob) -> Knob:
    if knob.pool is None:
        return knob
    return replace(knob, name=f"pools/{problem.pools[knob.pool].name}/available_seconds")


def _stretch(problem: PlacementProblem, factor: float | None) -> PlacementProblem:
    own = problem.requests.deadline_s
    own = np.full_like(own, np.inf) if factor is None else own * factor
    return replace(problem, requests=replace(problem.requests, deadline_s=own))


def _lateness(problem: PlacementProblem, schedule: Schedule, _: Evaluation) -> float:
    with np.errstate(over="ignore"):
        return float((schedule.end_s / problem.requests.deadline_s).max())


def _cap(unit: Unit, given: float) -> Knob:
    def turn(problem: PlacementProblem, value: float | None) -> PlacementProblem:
        return problem.with_limits(problem.limits.with_cap(unit, value))

    def attained(problem: PlacementProblem, _: Schedule, evaluation: Evaluation) -> float:
        return evaluation.total(problem, unit) or 0.0

    return Knob(CAP_NAMES[unit], "cap", given, 1.0, turn, attained, unit=unit)


def _available(index: int, given: float) -> Knob:
    def turn(problem: PlacementProblem, value: float | None) -> PlacementProblem:
        pools = list(problem.pools)
        pools[index] = replace(pools[index], available_s=value)
        return replace(problem, pools=tuple(pools))

    def attained(problem: PlacementProblem, schedule: Schedule, _: Evaluation) -> float:
        ends = [b.end_s for b in schedule.blocks if problem.placements[b.placement].pool == index]
        return max(ends, default=0.0)

    return Knob("available_seconds", "available", given, 1.0, turn, attained, pool=index)


def _with_share(llm: str, limits: Limits, share: Share) -> Limits:
    return replace(limits, shares={**limits.shares, llm: share})


def _least_share(llm: str, given: float) -> Knob:
    def turn(problem: PlacementProblem, value: float | None) -> PlacementProblem:
        share = replace(problem.limits.shares[llm], min=value or 0.0)
        return problem.with_limits(_with_share(llm, problem.limits, share))

    return Knob(
        f"shares/{llm}/min",
        "least",
        given,
        -1.0,
        turn,
        lambda p, schedule, _: count_of(p, schedule, llm) / p.n,
        llm,
    )


def _most_share(llm: str, given: float) -> Knob:
    def turn(problem: PlacementProblem, value: float | None) -> PlacementProblem:
        share = replace(problem.limits.shares[llm], max=1.0 if value is None else value)
        return problem.with_limits(_with_share(llm, problem.limits, share))

    return Knob(
        f"shares/{llm}/max",
        "most",
        given,
        1.0,
        turn,
        lambda p, schedule, _: count_of(p, schedule, llm) / p.n,
        llm,
    )


def _least_requests(llm: str, given: int) -> Knob:
    def turn(problem: PlacementProblem, value: float | None) -> PlacementProblem:
        least: Mapping[str, int] = {**problem.limits.min_requests, llm: int(value or 0)}
        return problem.with_limits(replace(problem.limits, min_requests=least))

    return Knob(
        f"min_requests/{llm}",
        "least",
        float(given),
        -1.0,
        turn,
        lambda p, schedule, _: float(count_of(p, schedule, llm)),
        llm,
    )
