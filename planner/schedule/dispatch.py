"""Dispatch an assignment: which device of its pool runs which request.

Each pool is dispatched at several fill levels: filling few devices up to their limit saves loads
and switching on, and keeps slots full; spreading ends earlier. The evaluator's prices decide
between them. A request that is pinned to a device goes there whatever the level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.problem import PlacementProblem
from planner.schedule.evaluation import underfill_j
from planner.schedule.list_scheduling import dispatch_to_level, partitioned_dispatch
from planner.schedule.schedule import (
    Block,
    Group,
    Schedule,
    block_order,
    groups_in_order,
    lay_out_groups,
    slot_times,
)
from planner.schedule.violations import loosest
from planner.threads import in_threads

LARGE_POOL = 5_000
"""Requests of a pool above which fewer fill levels are tried: each takes longer and gains less."""
VERY_LARGE_POOL = 50_000
"""Requests of a pool above which one fill level is tried, or two where LLMs are loaded."""


@dataclass(frozen=True)
class PoolDispatch:
    """One dispatch of a pool, laid out, and what it costs.

    `device` and `start_s` are those of the pool's requests, shape (members,). `active_cost` is for
    underfill, loading and being on, less the idle joules that work saves. `lateness_s` is the
    largest excess of an end over its deadline, at least 0.
    """

    members: IntArray
    device: IntArray
    start_s: FloatArray
    blocks: tuple[Block, ...]
    active_cost: float
    end_s: float
    lateness_s: float


def dispatch(problem: PlacementProblem, placement: IntArray) -> Schedule:
    """Dispatch requests for the least lateness, then the least cost, then the earliest end."""
    slot_s = slot_times(problem, placement)
    by_pool: dict[int, list[Group]] = {}
    for group in groups_in_order(problem, placement, slot_s):
        by_pool.setdefault(int(problem.pool_of[group.placement]), []).append(group)
    # Each pool writes where its own requests are.
    device, start_s = np.zeros(problem.n, dtype=np.int64), np.zeros(problem.n)

    def dispatches(pool: int) -> list[PoolDispatch]:
        groups = by_pool[pool]
        groups.sort(key=lambda g: block_order(problem, int(g.members[0]), g.placement))
        return _dispatches_of_pool(problem, pool, groups, device, start_s)

    options = in_threads(dispatches, sorted(by_pool), problem.n)
    chosen = _choose(problem, options)
    for one in chosen:
        device[one.members] = one.device
        start_s[one.members] = one.start_s
    blocks = tuple(block for one in chosen for block in one.blocks)
    return Schedule(placement, device, start_s, slot_s, blocks)


def _choose(problem: PlacementProblem, options: list[list[PoolDispatch]]) -> list[PoolDispatch]:
    """Choose a dispatch for each pool; the makespan, for which devices idle, ties them together."""
    counts = np.array([pool.count for pool in problem.pools])
    price = float((counts * problem.rates.of_idling(problem.pools)).sum())
    if problem.limits.horizon_s is not None or price == 0.0:
        return [min(dispatches, key=_merit) for dispatches in options]
    best: tuple[tuple[float, float, float], list[PoolDispatch]] | None = None
    for horizon in sorted({one.end_s for dispatches in options for one in dispatches}):
        chosen = [
            min(in_time, key=_merit)
            for dispatches in options
            if (in_time := [one for one in dispatches if one.end_s <= horizon])
        ]
        if len(chosen) < len(options):
            continue
        late = sum(one.lateness_s for one in chosen)
        merit = (late, sum(one.active_cost for one in chosen) + price * horizon, horizon)
        if best is None or merit < best[0]:
            best = (merit, chosen)
    return [] if best is None else best[1]


def _merit(one: PoolDispatch) -> tuple[float, float, float]:
    return round(one.lateness_s, 9), float(f"{one.active_cost:.12g}"), one.end_s


def _dispatches_of_pool(
    problem: PlacementProblem, pool: int, groups: list[Group], device: IntArray, start_s: FloatArray
) -> list[PoolDispatch]:
    """Return the different dispatches of a pool; `device` and `start_s` (n,) are written to."""
    members = np.concatenate([group.members for group in groups])
    slot_s = np.concatenate([group.slot_s for group in groups])
    due_s = loosest(1.0) * problem.latest_in_pool_s(pool, members)
    dispatches: dict[bytes, PoolDispatch] = {}

    def add() -> None:
        there = device[members]
        key = there.tobytes()
        if key not in dispatches:
            blocks = lay_out_groups(problem, groups, device, start_s)
            begin_s, end_s = start_s[members], max(block.end_s for block in blocks)
            late_s = max(0.0, float((begin_s + slot_s - due_s).max()))
            cost = _active_cost(problem, pool, blocks)
            dispatches[key] = PoolDispatch(
                members, there, begin_s, tuple(blocks), cost, end_s, late_s
            )

    fill_levels = _fill_levels(problem, pool, groups, members)
    for level_s in fill_levels:
        dispatch_to_level(problem, pool, groups, level_s, device)
        add()
    late = all(one.lateness_s > 0.0 for one in dispatches.values())
    if (
        late
        and len(groups) > 1
        and partitioned_dispatch(problem, pool, groups, fill_levels[-1], device)
    ):
        add()
    return list(dispatches.values())


def _fill_levels(
    problem: PlacementProblem, pool: int, groups: list[Group], members: IntArray
) -> list[float]:
    """Seconds up to which devices are filled before the next one is taken."""
    spec = problem.pools[pool]
    count = min(spec.count, len(members))
    if count == 1:
        return [np.inf]
    work, longest = 0.0, 0.0
    for group in groups:
        k, seconds = group.placement, group.slot_s
        work += float(group.held_s.sum()) / problem.placements[k].concurrency + problem.load_s[k]
        longest = max(longest, float(seconds.max()) + problem.load_s[k])
    balanced = spec.activation_s + max(work / count, longest)
    end = float(problem.latest_in_pool_s(pool, members).max())
    plain = all(problem.concurrency[group.placement] == 1 for group in groups)
    loads = any(problem.load_s[group.placement] > 0.0 for group in groups)
    loads |= max(spec.activation_j, spec.activation_s) > 0.0
    if not loads and (plain or len(members) > VERY_LARGE_POOL):
        return [balanced]
    if np.isinf(end):
        return [np.inf, *(balanced * factor for factor in (1.0, 1.1, 1.3, 2.0, 4.0))]
    shares: tuple[float, ...] = (1.0, 0.98, 0.9, 0.5, 0.0)
    if len(members) > LARGE_POOL:
        shares = (0.98, 0.0) if len(members) > VERY_LARGE_POOL else (1.0, 0.95, 0.0)
    return [balanced + share * max(0.0, end - balanced) for share in shares]


def _active_cost(problem: PlacementProblem, pool: int, blocks: list[Block]) -> float:
    spec, rates = problem.pools[pool], problem.rates
    used = len({block.device for block in blocks})
    busy = sum(block.seconds + block.load_s for block in blocks)
    busy += used * spec.activation_s
    joules = underfill_j(problem, blocks) + used * spec.activation_j
    joules += sum(block.load_energy_j for block in blocks)
    joules -= spec.always_on_watts * busy
    on_s = busy if spec.power_policy == "power_down" else 0.0
    return float(rates.per_joule[pool] * joules + rates.per_second[pool] * on_s)
