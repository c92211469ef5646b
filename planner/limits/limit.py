"""The limits of a problem, each of which can be read, set to another value and taken off."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from planner.inputs import CAP_NAMES, Unit
from planner.problem import PlacementProblem
from planner.schedule.evaluation import Evaluation, evaluate
from planner.schedule.schedule import Schedule, lay_out

MAX_LAYOUTS = 3
"""Times that a plan is laid out anew, each time under the limits that it achieved before."""

Kind = Literal[
    "deadline",
    "own_deadlines",
    "available",
    "cap",
    "quality",
    "min_share",
    "max_share",
    "min_requests",
]


@dataclass(frozen=True)
class Limit:
    """One limit of a problem, with what sets it and what measures it.

    `name` is its name in the request body; `direction` is 1.0 where a larger value is more
    generous, -1.0 where a smaller one is. `with_value` returns the problem with the limit at
    another value, or without it for None; `achieved` is the tightest value that a schedule keeps.
    `llm`, `pool` and `unit` say what the limit is about, where it is about one.
    """

    name: str
    kind: Kind
    given: float
    direction: float
    with_value: Callable[[PlacementProblem, float | None], PlacementProblem]
    achieved: Callable[[PlacementProblem, Schedule, Evaluation], float]
    llm: str | None = None
    pool: int | None = None
    unit: Unit | None = None

    @property
    def counts(self) -> bool:
        """Whether the limit is a number of requests."""
        return self.kind == "min_requests"

    def whole(self, value: float) -> float:
        """Return a value that the limit can have: a count of requests is a whole number."""
        return math.floor(value) if self.counts else value


def limits_of(problem: PlacementProblem) -> list[Limit]:
    """Return every limit that the problem sets."""
    limits, found = problem.limits, []
    if limits.deadline_s is not None:
        found.append(
            Limit(
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
            Limit("requests/deadline_seconds", "own_deadlines", 1.0, 1.0, _stretch, _lateness)
        )
    found += [_cap(unit, cap) for unit, cap in limits.caps.items()]
    if limits.min_mean_quality:
        found.append(
            Limit(
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
        _available(index, pool.name, pool.available_s)
        for index, pool in enumerate(problem.pools)
        if pool.available_s is not None
    ]
    for llm, share in limits.shares.items():
        if share.min > 0.0:
            found.append(_share(llm, "min", share.min))
        if share.max < 1.0:
            found.append(_share(llm, "max", share.max))
    found += [_min_requests(llm, count) for llm, count in limits.min_requests.items() if count > 0]
    return found


def keep_own_order(
    problem: PlacementProblem, limits: Sequence[Limit], found: tuple[Schedule, Evaluation]
) -> tuple[Schedule, Evaluation] | None:
    """Return the plan that is on a found one's devices where limits are only as loose as it needs.

    Devices run requests in the order of their deadlines, so that a plan that was found without
    them, or with others, may run in another order, for other joules, where they are back. `problem`
    has the limits as given, `found` is a plan with `limits` loosened as far as may be. What is
    returned keeps them loosened to what it achieves; None where no such plan came up.
    """
    if np.isinf(problem.requests.deadline_s).all():
        return found
    for _ in range(MAX_LAYOUTS):
        loosened = problem
        for limit in limits:
            value = limit.achieved(problem, *found)
            if (value - limit.given) * limit.direction > 0.0:
                loosened = limit.with_value(loosened, value)
        schedule = lay_out(loosened, found[0].placement, found[0].device)
        found = schedule, evaluate(loosened, schedule)
        if found[1].feasible:
            return found
    return None


def count_of(problem: PlacementProblem, schedule: Schedule, llm: str) -> int:
    """Count the requests that an LLM serves."""
    of_llm = np.array([p.llm == llm for p in problem.placements])
    return int(of_llm[schedule.placement].sum())


def _stretch(problem: PlacementProblem, factor: float | None) -> PlacementProblem:
    own = problem.requests.deadline_s
    own = np.full_like(own, np.inf) if factor is None else own * factor
    return replace(problem, requests=replace(problem.requests, deadline_s=own))


def _lateness(problem: PlacementProblem, schedule: Schedule, _: Evaluation) -> float:
    with np.errstate(over="ignore"):
        return float((schedule.end_s / problem.requests.deadline_s).max())


def _cap(unit: Unit, given: float) -> Limit:
    def with_value(problem: PlacementProblem, value: float | None) -> PlacementProblem:
        return problem.with_limits(problem.limits.with_cap(unit, value))

    def achieved(problem: PlacementProblem, _: Schedule, evaluation: Evaluation) -> float:
        return evaluation.total(problem, unit) or 0.0

    return Limit(CAP_NAMES[unit], "cap", given, 1.0, with_value, achieved, unit=unit)


def _available(index: int, pool: str, given: float) -> Limit:
    def with_value(problem: PlacementProblem, value: float | None) -> PlacementProblem:
        pools = list(problem.pools)
        pools[index] = replace(pools[index], available_s=value)
        return replace(problem, pools=tuple(pools))

    def achieved(problem: PlacementProblem, schedule: Schedule, _: Evaluation) -> float:
        ends = [b.end_s for b in schedule.blocks if problem.placements[b.placement].pool == index]
        return max(ends, default=0.0)

    name = f"pools/{pool}/available_seconds"
    return Limit(name, "available", given, 1.0, with_value, achieved, pool=index)


def _share(llm: str, side: Literal["min", "max"], given: float) -> Limit:
    off, direction = (0.0, -1.0) if side == "min" else (1.0, 1.0)

    def with_value(problem: PlacementProblem, value: float | None) -> PlacementProblem:
        share = replace(problem.limits.shares[llm], **{side: off if value is None else value})
        shares = {**problem.limits.shares, llm: share}
        return problem.with_limits(replace(problem.limits, shares=shares))

    def achieved(problem: PlacementProblem, schedule: Schedule, _: Evaluation) -> float:
        return count_of(problem, schedule, llm) / problem.n

    kind: Kind = "min_share" if side == "min" else "max_share"
    return Limit(f"shares/{llm}/{side}", kind, given, direction, with_value, achieved, llm)


def _min_requests(llm: str, given: int) -> Limit:
    def with_value(problem: PlacementProblem, value: float | None) -> PlacementProblem:
        minimum: Mapping[str, int] = {**problem.limits.min_requests, llm: int(value or 0)}
        return problem.with_limits(replace(problem.limits, min_requests=minimum))

    def achieved(problem: PlacementProblem, schedule: Schedule, _: Evaluation) -> float:
        return float(count_of(problem, schedule, llm))

    name = f"min_requests/{llm}"
    return Limit(name, "min_requests", float(given), -1.0, with_value, achieved, llm)
