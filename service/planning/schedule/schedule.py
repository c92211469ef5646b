"""From (placement, device) of each request to start times: the rules by which devices run blocks.

A device runs at most one block for each placement, in order of earliest deadline; blocks of equal
deadline keep an LLM's together. Inside a block the earliest deadline goes first, then the longest.
Changing the LLM drains and loads, changing the concurrency drains. A device that is used is first
switched on, which takes its pool's activation seconds. Nothing is decided here: the
same (placement, device) always gives the same schedule.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from costmodel.cost_matrix import slot_seconds
from service.planning.problem import PlacementProblem


@dataclass(frozen=True)
class Block:
    """Requests of one placement that one device runs together.

    Attributes
    ----------
    start_s
        When its first request starts, after `load_s` seconds of loading.
    seconds
        From its first start to its last end.
    slot_seconds
        The sum of what its requests hold of their slots.
    members
        Indices of its requests, in the order in which they start.
    """

    device: int
    placement: int
    load_s: float
    load_energy_j: float
    start_s: float
    seconds: float
    slot_seconds: float
    members: IntArray

    @property
    def end_s(self) -> float:
        """When its last request ends."""
        return self.start_s + self.seconds

    @property
    def achieved_concurrency(self) -> float:
        """Mean number of busy slots, at most the nominal concurrency."""
        return max(1.0, self.slot_seconds / self.seconds) if self.seconds > 0 else 1.0


@dataclass(frozen=True)
class Schedule:
    """A plan dealt out to devices and slots.

    Attributes
    ----------
    placement, device
        Placement and device (an index within its pool) of each request, shape (n,).
    start_s, slot_s
        Start of each request and the seconds for which it holds its slot, shape (n,).
    """

    placement: IntArray
    device: IntArray
    start_s: FloatArray
    slot_s: FloatArray
    blocks: tuple[Block, ...]

    @property
    def end_s(self) -> FloatArray:
        """End of each request, shape (n,)."""
        return self.start_s + self.slot_s

    @property
    def makespan_s(self) -> float:
        """Seconds until the last device finishes."""
        return max((block.end_s for block in self.blocks), default=0.0)


def slot_times(problem: PlacementProblem, placement: IntArray) -> FloatArray:
    """Seconds for which each request holds its slot, given the mix on each placement, (n,)."""
    times = np.empty(problem.n)
    output_tokens = problem.requests.workload.output_tokens
    for k in np.unique(placement):
        members = np.flatnonzero(placement == k)
        times[members] = slot_seconds(
            output_tokens[members],
            problem.costs.device_seconds[members, k],
            problem.placements[k].concurrency,
        )
    return times


def lay_out(problem: PlacementProblem, placement: IntArray, device: IntArray) -> Schedule:
    """Give every request its start, by the rules at the head of this module."""
    slot_s = slot_times(problem, placement)
    start_s = np.zeros(problem.n)
    blocks: list[Block] = []
    for pool in range(len(problem.pools)):
        members = np.flatnonzero(problem.pool_of[placement] == pool)
        blocks += lay_out_members(problem, members, placement, device, slot_s, start_s)
    return Schedule(placement, device, start_s, slot_s, tuple(blocks))


def lay_out_members(
    problem: PlacementProblem,
    members: IntArray,
    placement: IntArray,
    device: IntArray,
    slot_s: FloatArray,
    start_s: FloatArray,
) -> list[Block]:
    """Lay out the requests of one pool, writing their starts into `start_s`."""
    if not len(members):
        return []
    deadline = problem.deadline_s
    order = members[
        np.lexsort((-slot_s[members], deadline[members], placement[members], device[members]))
    ]
    edges = np.flatnonzero((np.diff(device[order]) != 0) | (np.diff(placement[order]) != 0)) + 1
    per_device: dict[int, list[IntArray]] = {}
    for group in np.split(order, edges):
        per_device.setdefault(int(device[group[0]]), []).append(group)
    blocks: list[Block] = []
    for index, groups in per_device.items():
        blocks += _run_device(problem, index, groups, placement, slot_s, start_s)
    return blocks


def block_order(problem: PlacementProblem, members: IntArray, k: int) -> tuple[float, int, int]:
    """Sort key of a block: earliest deadline, then its LLM, then its placement."""
    earliest = float(problem.deadline_s[members].min())
    return earliest, problem.llms.index(problem.placements[k].llm), k


def _run_device(
    problem: PlacementProblem,
    index: int,
    groups: list[IntArray],
    placement: IntArray,
    slot_s: FloatArray,
    start_s: FloatArray,
) -> list[Block]:
    groups = sorted(groups, key=lambda g: block_order(problem, g, int(placement[g[0]])))
    pool = problem.pools[problem.placements[int(placement[groups[0][0]])].pool]
    clock, loaded, blocks = pool.activation_s, None, []
    for group in groups:
        k = int(placement[group[0]])
        load_s, load_j = problem.load_s[k], problem.load_energy_j[k]
        resident = problem.placements[k].llm in problem.pools[problem.placements[k].pool].resident
        if resident or loaded == problem.placements[k].llm:
            load_s = load_j = 0.0
        else:
            loaded = problem.placements[k].llm
        first = clock + float(load_s)
        starts, seconds = fill_slots(slot_s[group], problem.placements[k].concurrency)
        start_s[group] = first + starts
        clock = first + seconds
        total = float(slot_s[group].sum())
        blocks.append(Block(index, k, float(load_s), float(load_j), first, seconds, total, group))
    return blocks


def fill_slots(slot_s: FloatArray, slots: int) -> tuple[FloatArray, float]:
    """Start requests in the given order, each in the slot that is free first.

    Returns
    -------
    starts, seconds
        Start of each request from the block's start, shape (m,), and the block's length.

    Examples
    --------
    >>> starts, seconds = fill_slots(np.array([3.0, 2.0, 2.0]), 2)
    >>> starts.tolist(), seconds
    ([0.0, 0.0, 2.0], 4.0)
    """
    m = len(slot_s)
    if slots == 1:
        ends = np.cumsum(slot_s)
        return ends - slot_s, float(ends[-1])
    if m <= slots:
        return np.zeros(m), float(slot_s.max())
    starts = np.zeros(m)
    free = slot_s[:slots].tolist()
    heapq.heapify(free)
    for i, seconds in enumerate(slot_s[slots:].tolist(), start=slots):
        starts[i] = free[0]
        heapq.heapreplace(free, free[0] + seconds)
    return starts, max(free)
