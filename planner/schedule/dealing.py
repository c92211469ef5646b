"""Deal an assignment out to devices: which device of its pool runs which request.

Pools are dealt one by one at several fill levels: filling few devices up to their limit saves
loads and switching on, and keeps slots full; spreading ends sooner. The evaluator's prices decide
between them. A request that is pinned to a device goes there whatever the level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.problem import PlacementProblem
from planner.schedule.evaluation import underfill_j
from planner.schedule.filling import fill_apart, fill_up_to
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

MANY = 5_000
"""Requests of a pool above which fewer fill levels are tried: tails weigh less, tries cost more."""
VERY_MANY = 50_000
"""Requests of a pool above which one fill level is tried, or two where LLMs are loaded."""


@dataclass(frozen=True)
class Deal:
    """One way to deal a pool, laid out, and what it costs.

    Attributes
    ----------
    members
        The requests of the pool.
    device, start_s
        Of its members.
    active_cost
        Of underfill, loading and being on, less the idle joules that work saves.
    lateness_s
        Largest excess of an end over its deadline, at least 0.
    """

    members: IntArray
    device: IntArray
    start_s: FloatArray
    blocks: tuple[Block, ...]
    active_cost: float
    end_s: float
    lateness_s: float


def deal(problem: PlacementProblem, placement: IntArray) -> Schedule:
    """Deal requests out so that deadlines are kept, then joules are least, then it ends soonest."""
    slot_s = slot_times(problem, placement)
    by_pool: dict[int, list[Group]] = {}
    for group in groups_in_order(problem, placement, slot_s):
        by_pool.setdefault(int(problem.pool_of[group.placement]), []).append(group)
    # Each pool writes where its own requests are.
    device, start_s = np.zeros(problem.n, dtype=np.int64), np.zeros(problem.n)

    def deals(pool: int) -> list[Deal]:
        groups = by_pool[pool]
        groups.sort(key=lambda g: block_order(problem, int(g.members[0]), g.placement))
        return _deals_of_pool(problem, pool, groups, device, start_s)

    options = in_threads(deals, sorted(by_pool), problem.n)
    chosen = _choose(problem, options)
    for dealt in chosen:
        device[dealt.members] = dealt.device
        start_s[dealt.members] = dealt.start_s
    blocks = tuple(block for dealt in chosen for block in dealt.blocks)
    return Schedule(placement, device, start_s, slot_s, blocks)


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
    groups: list[Group],
    device: IntArray,
    start_s: FloatArray,
) -> list[Deal]:
    """Return the different deals of a pool; `device` and `start_s` (n,) are written to."""
    members = np.concatenate([group.members for group in groups])
    slot_s = np.concatenate([group.slot_s for group in groups])
    deals: dict[bytes, Deal] = {}

    def add() -> None:
        there = device[members]
        key = there.tobytes()
        if key not in deals:
            blocks = lay_out_groups(problem, groups, device, start_s)
            deals[key] = _judge(problem, pool, members, slot_s, there, start_s[members], blocks)

    levels = _levels(problem, pool, groups, members)
    for level in levels:
        fill_up_to(problem, pool, groups, level, device)
        add()
    late = all(deal.lateness_s > 0.0 for deal in deals.values())
    if late and len(groups) > 1 and fill_apart(problem, pool, groups, levels[-1], device):
        add()
    return list(deals.values())


def _levels(
    problem: PlacementProblem,
    pool: int,
    groups: list[Group],
    members: IntArray,
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
    if not loads and (plain or len(members) > VERY_MANY):
        return [balanced]
    if np.isinf(end):
        return [np.inf, *(balanced * factor for factor in (1.0, 1.1, 1.3, 2.0, 4.0))]
    shares: tuple[float, ...] = (1.0, 0.98, 0.9, 0.5, 0.0)
    if len(members) > MANY:
        shares = (0.98, 0.0) if len(members) > VERY_MANY else (1.0, 0.95, 0.0)
    return [balanced + share * max(0.0, end - balanced) for share in shares]


def _judge(
    problem: PlacementProblem,
    pool: int,
    members: IntArray,
    slot_s: FloatArray,
    device: IntArray,
    start_s: FloatArray,
    blocks: list[Block],
) -> Deal:
    late = start_s + slot_s - loosest(1.0) * problem.latest_in_pool_s(pool, members)
    return Deal(
        members,
        device,
        start_s,
        tuple(blocks),
        _active_cost(problem, pool, blocks),
        max(block.end_s for block in blocks),
        max(0.0, float(late.max())),
    )


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
