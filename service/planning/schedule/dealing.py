"""Deal an assignment out to devices: which device of its pool runs which request.

Pools are dealt one by one at several fill levels: filling few devices up to their limit saves
loads and keeps slots full, spreading ends sooner. The evaluator's prices decide between them.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from service.planning.problem import PlacementProblem
from service.planning.schedule.evaluation import loosest, underfill_j
from service.planning.schedule.schedule import (
    Schedule,
    block_order,
    lay_out,
    lay_out_members,
    slot_times,
)

MANY = 5_000
"""Requests of a pool above which fewer fill levels are tried: tails weigh less, tries cost more."""


@dataclass(frozen=True)
class Deal:
    """One way to deal a pool: devices of its members, and what it costs.

    Attributes
    ----------
    active_cost
        Of underfill, loading and being on, less the idle joules that work saves.
    lateness_s
        Largest excess of an end over its deadline, at least 0.
    """

    device: IntArray
    active_cost: float
    end_s: float
    lateness_s: float


def deal(problem: PlacementProblem, placement: IntArray) -> Schedule:
    """Deal requests out so that deadlines are kept, then joules are least, then it ends soonest."""
    slot_s = slot_times(problem, placement)
    device = np.zeros(problem.n, dtype=np.int64)
    pools = []
    for index in range(len(problem.pools)):
        members = np.flatnonzero(problem.pool_of[placement] == index)
        if len(members):
            pools.append((members, _deals_of_pool(problem, index, members, placement, slot_s)))
    for (members, _), chosen in zip(pools, _choose(problem, [d for _, d in pools]), strict=True):
        device[members] = chosen.device
    return lay_out(problem, placement, device)


def _choose(problem: PlacementProblem, options: list[list[Deal]]) -> list[Deal]:
    """Choose a deal for each pool; the makespan, for which devices idle, ties them together."""
    counts = np.array([pool.count for pool in problem.pools])
    price = float((counts * problem.rates.of_idling(problem.pools)).sum())
    if problem.limits.horizon_s is not None or price == 0.0:
        return [min(deals, key=_merit) for deals in options]
    best: tuple[tuple[float, float, float], list[Deal]] | None = None
    for horizon in sorted({deal.end_s for deals in options for deal in deals}):
        chosen = [
            min(in_time, key=_merit)
            for deals in options
            if (in_time := [deal for deal in deals if deal.end_s <= horizon])
        ]
        if len(chosen) < len(options):
            continue
        late = sum(deal.lateness_s for deal in chosen)
        merit = (late, sum(deal.active_cost for deal in chosen) + price * horizon, horizon)
        if best is None or merit < best[0]:
            best = (merit, chosen)
    return [] if best is None else best[1]


def _merit(deal: Deal) -> tuple[float, float, float]:
    return round(deal.lateness_s, 9), float(f"{deal.active_cost:.12g}"), deal.end_s


def _deals_of_pool(
    problem: PlacementProblem,
    pool: int,
    members: IntArray,
    placement: IntArray,
    slot_s: FloatArray,
) -> list[Deal]:
    groups = [members[placement[members] == k] for k in np.unique(placement[members])]
    groups.sort(key=lambda g: block_order(problem, g, int(placement[g[0]])))
    deals: dict[bytes, Deal] = {}
    for level in _levels(problem, pool, groups, placement, slot_s):
        device = np.zeros(problem.n, dtype=np.int64)
        _fill(problem, pool, groups, placement, slot_s, level, device)
        key = device[members].tobytes()
        if key not in deals:
            deals[key] = _judge(problem, pool, members, placement, slot_s, device)
    return list(deals.values())


def _levels(
    problem: PlacementProblem,
    pool: int,
    groups: list[IntArray],
    placement: IntArray,
    slot_s: FloatArray,
) -> list[float]:
    """Seconds up to which devices are filled before the next one is taken."""
    members = np.concatenate(groups)
    count = min(problem.pools[pool].count, len(members))
    work, longest = 0.0, 0.0
    for group in groups:
        k = int(placement[group[0]])
        work += float(slot_s[group].sum()) / problem.placements[k].concurrency + problem.load_s[k]
        longest = max(longest, float(slot_s[group].max()) + problem.load_s[k])
    balanced = max(work / count, longest)
    end = float(problem.latest_s[members, placement[members]].max())
    if count == 1:
        return [np.inf]
    plain = all(problem.concurrency[int(placement[g[0]])] == 1 for g in groups)
    if plain and not any(problem.load_s[int(placement[g[0]])] > 0.0 for g in groups):
        return [balanced]
    if np.isinf(end):
        return [np.inf, *(balanced * factor for factor in (1.0, 1.1, 1.3, 2.0, 4.0))]
    shares = (1.0, 0.98, 0.9, 0.5, 0.0) if len(members) <= MANY else (1.0, 0.95, 0.0)
    return [balanced + share * max(0.0, end - balanced) for share in shares]


def _fill(
    problem: PlacementProblem,
    pool: int,
    groups: list[IntArray],
    placement: IntArray,
    slot_s: FloatArray,
    level: float,
    device: IntArray,
) -> None:
    """Deal groups in order, each to the fewest devices that hold it up to `level`."""
    count = min(problem.pools[pool].count, sum(len(group) for group in groups))
    clock = np.zeros(count)
    loaded: list[str | None] = [None] * count
    for group in groups:
        k = int(placement[group[0]])
        llm, slots = problem.placements[k].llm, problem.placements[k].concurrency
        load = np.array(
            [0.0 if loaded[d] == llm else float(problem.load_s[k]) for d in range(count)]
        )
        order = group[np.lexsort((-slot_s[group], problem.deadline_s[group]))]
        windows = _windows(clock, load, slot_s[order], slots, level)
        device[order], ends = _list_schedule(slot_s[order], clock + load, windows, slots)
        for d, end in ends.items():
            clock[d] = end
            if problem.load_s[k] > 0.0:
                loaded[d] = llm


def _windows(
    clock: FloatArray, load: FloatArray, slot_s: FloatArray, slots: int, level: float
) -> list[int]:
    """Devices for a group: the fullest that still have room first, until its work fits."""
    need = float(slot_s.sum()) / slots
    longest = float(slot_s.max())
    room = level - clock - load
    order = np.lexsort((np.arange(len(clock)), -(clock > 0.0).astype(int)))
    chosen: list[int] = []
    for d in order.tolist():
        if room[d] < longest and np.isfinite(level):
            continue
        chosen.append(d)
        need -= room[d]
        if need <= 0.0:
            return chosen
    return list(range(len(clock)))


def _list_schedule(
    slot_s: FloatArray, start_s: FloatArray, windows: list[int], slots: int
) -> tuple[IntArray, dict[int, float]]:
    """Give each request, in order, to the slot that is free first.

    Returns
    -------
    device, ends
        Device of each request, shape (m,), and the end of each device that got any.
    """
    heap = [(float(start_s[d]), d) for d in windows for _ in range(min(slots, len(slot_s)))]
    heapq.heapify(heap)
    replace = heapq.heapreplace
    device = np.empty(len(slot_s), dtype=np.int64)
    for i, seconds in enumerate(slot_s.tolist()):
        free, d = heap[0]
        replace(heap, (free + seconds, d))
        device[i] = d
    ends: dict[int, float] = {}
    used = np.bincount(device, minlength=len(start_s))
    for end, d in heap:
        if used[d]:
            ends[d] = max(ends.get(d, 0.0), end)
    return device, ends


def _judge(
    problem: PlacementProblem,
    pool: int,
    members: IntArray,
    placement: IntArray,
    slot_s: FloatArray,
    device: IntArray,
) -> Deal:
    start_s = np.zeros(problem.n)
    blocks = lay_out_members(problem, members, placement, device, slot_s, start_s)
    end_s = start_s[members] + slot_s[members]
    latest = problem.latest_s[members, placement[members]]
    schedule = Schedule(placement, device, start_s, slot_s, tuple(blocks))
    return Deal(
        device[members].copy(),
        _active_cost(problem, pool, schedule),
        schedule.makespan_s,
        max(0.0, float((end_s - loosest(1.0) * latest).max())),
    )


def _active_cost(problem: PlacementProblem, pool: int, schedule: Schedule) -> float:
    spec, rates = problem.pools[pool], problem.rates
    busy = sum(block.seconds + block.load_s for block in schedule.blocks)
    joules = underfill_j(problem, schedule)
    joules += sum(block.load_energy_j for block in schedule.blocks)
    joules -= spec.always_on_watts * busy
    on_s = busy if spec.power_policy == "power_down" else 0.0
    return float(rates.per_joule[pool] * joules + rates.per_second[pool] * on_s)
