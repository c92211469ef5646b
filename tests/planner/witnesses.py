"""Problems that are known to have a plan: limits drawn around a schedule that keeps them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.slow_rules.pricing import price
from planner.eligibility import find_unplaceable
from planner.inputs import Limits, Share
from planner.problem import PlacementProblem
from planner.schedule.dispatch import dispatch
from planner.schedule.schedule import lay_out
from tests.planner.mixed_instances import Size, mixed_problem

ROUNDS = 6


@dataclass(frozen=True)
class Witnessed:
    """A problem, and an assignment that keeps all of its limits."""

    problem: PlacementProblem
    placement: list[int]
    device: list[int]
    objective: float


def witnessed(seed: int, size: Size, tightness: float) -> Witnessed | None:
    """Draw a problem and tighten its limits around a random assignment.

    `tightness` is the share by which limits are looser than the assignment needs; None where the
    requests drawn cannot be placed at all.
    """
    loose = mixed_problem(seed, size).with_limits(Limits())
    if find_unplaceable(loose):
        return None
    rng = np.random.default_rng([seed, 1])
    schedule = dispatch(loose, _placement(rng, loose))
    problem = _with_deadlines(rng, loose, schedule.placement, schedule.device, tightness)
    slow = price(problem, schedule.placement.tolist(), schedule.device.tolist())
    problem = problem.with_limits(_limits(rng, problem, schedule.placement, slow, tightness))
    slow = price(problem, schedule.placement.tolist(), schedule.device.tolist())
    assert slow["keeps"]
    placement, device = schedule.placement.tolist(), schedule.device.tolist()
    return Witnessed(problem, placement, device, slow["objective"])


def _placement(rng: np.random.Generator, problem: PlacementProblem) -> np.ndarray:
    """Few placements, each request on one of those that it may take."""
    liked = rng.permutation(problem.k)[: int(rng.integers(1, 4))]
    taste = rng.random((problem.n, problem.k)) + np.isin(np.arange(problem.k), liked)
    return np.where(problem.eligible, taste, -1.0).argmax(axis=1)


def _with_deadlines(rng, problem: PlacementProblem, placement, device, room: float):
    """Give requests the earliest deadlines of a few at which the assignment is on time.

    Deadlines decide the order of blocks, and that the ends: deadlines rise until all are kept.
    """
    requests = replace(problem.requests, deadline_s=np.full(problem.n, np.inf))
    plain = replace(
        problem,
        requests=requests,
        pools=tuple(replace(pool, available_s=None) for pool in problem.pools),
    )
    if rng.random() < 0.4:
        return plain
    ends = lay_out(plain, placement, device).end_s
    steps = np.append(np.quantile(ends, np.sort(rng.random(3))), ends.max()) * (1.0 + room)
    wanted = rng.random(problem.n) < 0.6
    due = steps[np.searchsorted(steps, ends)]
    for _ in range(ROUNDS):
        own = np.where(wanted, due, np.inf)
        dated = replace(plain, requests=replace(requests, deadline_s=own))
        ends = lay_out(dated, placement, device).end_s
        if (ends <= own).all():
            return dated
        due = np.maximum(due, ends * (1.0 + room))
    return plain


def _limits(rng, problem: PlacementProblem, placement, slow, room: float) -> Limits:
    n = problem.n
    scores = np.array([p.quality for p in problem.placements])[placement]
    quality = float(scores @ problem.tokens / problem.tokens.sum())
    llm = problem.llms[int(rng.integers(len(problem.llms)))]
    served = sum(problem.placements[k].llm == llm for k in placement) / n
    low, high = max(0.0, served - room), min(1.0, served + room)
    has_own = np.isfinite(problem.requests.deadline_s).any()
    pick = rng.random(6) < (0.5, 0.5, 0.5, 0.5, 0.2, 0.2)
    caps = {unit: cost * (1.0 + room) for unit, cost in slow["costs"].items()}
    return Limits(
        deadline_s=slow["makespan_s"] * (1.0 + room) if pick[0] and not has_own else None,
        max_energy_j=caps["energy"] if pick[1] else None,
        max_carbon_g=caps["carbon"] if pick[4] else None,
        max_money=caps["money"] if pick[5] else None,
        min_mean_quality=quality * (1.0 - 0.2 * room) if pick[2] else None,
        shares={llm: Share(low, high)} if pick[3] else {},
    )
