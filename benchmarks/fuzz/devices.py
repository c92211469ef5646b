"""How devices run what a plan gives them, worked through by the documented rules."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field

from benchmarks.fuzz.question import Question


@dataclass
class WorkedPlan:
    """What a plan's placements and devices come to; times in seconds.

    Attributes
    ----------
    start
        Start of each request, by its index in the call.
    busy
        Length of the blocks of each placement.
    worked, ended, loads
        For each (pool, device) that is used: seconds of blocks and loads, its end, and the LLMs
        that it loads.
    """

    start: dict[int, float] = field(default_factory=dict)
    busy: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    worked: defaultdict[tuple[int, int], float] = field(default_factory=lambda: defaultdict(float))
    ended: dict[tuple[int, int], float] = field(default_factory=dict)
    loads: defaultdict[tuple[int, int], list[int]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @property
    def makespan(self) -> float:
        """When the last device ends."""
        return max(self.ended.values(), default=0.0)

    def on(self, asked: Question, pool: int) -> float:
        """Seconds for which the devices of a pool are on, together."""
        ends = [end for (p, _), end in self.ended.items() if p == pool]
        if asked.pools[pool].get("power_policy") != "always_on":
            return sum(ends)
        horizon = asked.constraints.get("horizon_seconds") or self.makespan
        unused = asked.count(pool) - len(ends)
        return sum(max(end, horizon) for end in ends) + unused * horizon

    def idle(self, asked: Question, pool: int) -> float:
        """Joules of devices of a pool that are on and neither serve nor load."""
        stated = asked.pools[pool]
        if stated.get("power_policy") != "always_on":
            return 0.0
        worked = sum(seconds for (p, _), seconds in self.worked.items() if p == pool)
        return float(stated.get("idle_watts") or 0.0) * max(0.0, self.on(asked, pool) - worked)

    def loading(self, asked: Question, pool: int) -> float:
        """Joules of the loads of a pool."""
        loaded = [k for (p, _), ks in self.loads.items() if p == pool for k in ks]
        return sum(asked.spots[k].known.load_j or 0.0 for k in loaded)

    def activation(self, asked: Question, pool: int) -> float:
        """Joules of switching on the devices of a pool that are used."""
        used = sum(1 for p, _ in self.ended if p == pool)
        return float(used * asked.pools[pool].get("activation_joules", 0.0))


def work_through(
    asked: Question, spot_of: dict[int, int], device_of: dict[int, int], held: dict[int, float]
) -> WorkedPlan:
    """Return what devices do with the requests that they are given.

    Parameters
    ----------
    spot_of, device_of, held
        Placement, device, and seconds for which its slot is held, of each planned request.
    """
    run = WorkedPlan()
    given: defaultdict[tuple[int, int], defaultdict[int, list[int]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for i, k in spot_of.items():
        given[asked.spots[k].pool, device_of[i]][k].append(i)
    for where, blocks in given.items():
        _run_device(asked, run, where, blocks, held)
    return run


def _run_device(
    asked: Question,
    run: WorkedPlan,
    where: tuple[int, int],
    blocks: dict[int, list[int]],
    held: dict[int, float],
) -> None:
    pool = asked.pools[where[0]]
    clock, loaded = float(pool.get("activation_seconds", 0.0)), ""

    def order(k: int) -> tuple[float, int, int]:
        return min(map(asked.due, blocks[k])), asked.llms.index(asked.spots[k].llm), k

    for k in sorted(blocks, key=order):
        spot = asked.spots[k]
        if spot.llm not in pool.get("resident", ()) and loaded != spot.llm:
            loaded = spot.llm
            clock += spot.known.load_s or 0.0
            run.worked[where] += spot.known.load_s or 0.0
            run.loads[where].append(k)
        slots = [0.0] * min(spot.concurrency, len(blocks[k]))
        for i in sorted(blocks[k], key=lambda i: (asked.due(i), -held[i], i)):
            run.start[i] = clock + slots[0]
            heapq.heapreplace(slots, slots[0] + held[i])
        length = max(slots)
        run.busy[k] += length
        run.worked[where] += length
        clock += length
    run.ended[where] = clock
