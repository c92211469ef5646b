"""From (placement, device) of each request to start times: the rules by which devices run blocks.

A device runs at most one block for each placement, in order of earliest deadline; blocks of equal
deadline keep an LLM's together. Inside a block the earliest deadline goes first, then the longest.
Changing the LLM drains and loads, changing the concurrency drains. A request of several answers,
choices or prompts, holds a slot for each, as slots come free; it starts with the last of them. A
device that is used is first switched on, which takes its pool's activation seconds. Nothing is
decided here: the same (placement, device) always gives the same schedule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.cost_matrix import slot_seconds
from planner.problem import PlacementProblem
from planner.schedule.slots import fill_blocks, narrow
from planner.threads import in_threads


@dataclass(frozen=True)
class Block:
    """Requests of one placement that one device runs together.

    `members` are their indices in the order in which they start, the first of them at `start_s`,
    after `load_s` seconds of loading; the last ends `seconds` later. `slot_seconds` is the sum of
    what they hold of their slots.
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
    """A plan dispatched to devices and slots.

    Arrays are by request, shape (n,): its placement, its device (an index within its pool), its
    start and the seconds for which it holds its slot.
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

    @cached_property
    def makespan_s(self) -> float:
        """Seconds until the last device finishes."""
        return max((block.end_s for block in self.blocks), default=0.0)


def slot_times(problem: PlacementProblem, placement: IntArray) -> FloatArray:
    """Seconds for which each request holds its slot, given the mix on each placement, (n,)."""
    times = np.empty(problem.n)
    workload = problem.requests.workload
    output_tokens, sequences = workload.output_tokens, workload.sequences
    for k in np.unique(placement):
        members = np.flatnonzero(placement == k)
        times[members] = slot_seconds(
            output_tokens[members],
            problem.costs.device_seconds[members, k],
            problem.placements[k].concurrency,
            None if sequences is None else sequences[members],
        )
    return times


@dataclass(frozen=True)
class Group:
    """The requests of one placement, in the order in which they start.

    Each holds its slot for `slot_s`; `held_s` is summed over all slots that it holds, one for each
    of its answers. Arrays have shape (members,).
    """

    placement: int
    members: IntArray
    slot_s: FloatArray
    held_s: FloatArray

    def take(self, which: BoolArray) -> Group:
        """Return some of its requests."""
        return Group(self.placement, self.members[which], self.slot_s[which], self.held_s[which])


def groups_in_order(
    problem: PlacementProblem, placement: IntArray, slot_s: FloatArray
) -> list[Group]:
    """Return the requests of each placement in use: earliest deadline first, then longest."""
    sequences = problem.requests.workload.sequences
    by_placement = np.argsort(narrow(placement), kind="stable")
    counts = np.bincount(placement, minlength=problem.k)
    ends = np.cumsum(counts)

    def group(k: int) -> Group:
        members = by_placement[ends[k] - counts[k] : ends[k]]
        members = members[_longest_first(problem, k, members, slot_s)]
        if problem.deadlines.count > 1:
            members = members[np.argsort(problem.deadlines.rank[members], kind="stable")]
        held_s = slot_s if sequences is None else slot_s * sequences
        return Group(k, members, slot_s[members], held_s[members])

    return in_threads(group, np.flatnonzero(counts).tolist(), problem.n)


def _longest_first(
    problem: PlacementProblem, k: int, members: IntArray, slot_s: FloatArray
) -> IntArray:
    """Order requests of a placement by their slot times, falling."""
    if problem.placements[k].concurrency == 1:
        return np.argsort(-slot_s[members], kind="stable")
    # Above, slot times are output tokens times a step: integers are sorted in linear time.
    output = problem.requests.workload.output_tokens[members]
    return np.argsort(narrow(output.max() - output), kind="stable")


def lay_out(problem: PlacementProblem, placement: IntArray, device: IntArray) -> Schedule:
    """Give every request its start, by the rules at the head of this module."""
    slot_s = slot_times(problem, placement)
    start_s = np.zeros(problem.n)
    groups = groups_in_order(problem, placement, slot_s)
    blocks: list[Block] = []
    for pool in range(len(problem.pools)):
        of_pool = [group for group in groups if problem.pool_of[group.placement] == pool]
        blocks += lay_out_groups(problem, of_pool, device, start_s)
    return Schedule(placement, device, start_s, slot_s, tuple(blocks))


@dataclass(frozen=True)
class _Run:
    """A block before its start is known."""

    placement: int
    members: IntArray
    starts: FloatArray
    seconds: float
    slot_seconds: float


def lay_out_groups(
    problem: PlacementProblem, groups: list[Group], device: IntArray, start_s: FloatArray
) -> list[Block]:
    """Lay out the requests of one pool, writing their starts into `start_s`."""
    per_device: dict[int, list[_Run]] = {}
    for group in groups:
        for index, run in _runs(problem, group, device):
            per_device.setdefault(index, []).append(run)
    blocks: list[Block] = []
    for index in sorted(per_device):
        blocks += _run_device(problem, index, per_device[index], start_s)
    return blocks


def _runs(problem: PlacementProblem, group: Group, device: IntArray) -> Iterator[tuple[int, _Run]]:
    """Yield the devices of a group's requests, and what each runs of it."""
    there = device[group.members]
    by_device = np.argsort(narrow(there), kind="stable")
    there, order = there[by_device], group.members[by_device]
    slot_s = group.slot_s[by_device]
    edges = np.append(0, np.flatnonzero(np.diff(there)) + 1)
    counts = np.diff(np.append(edges, len(order)))
    slots = problem.placements[group.placement].concurrency
    sequences = problem.requests.workload.sequences
    if sequences is None:
        starts, seconds = fill_blocks(slot_s, counts, slots)
    else:
        each = sequences[order]
        of_all, seconds = fill_blocks(np.repeat(slot_s, each), np.add.reduceat(each, edges), slots)
        # Slots come free in order, so the last answer of a request is the last to start.
        starts = of_all[np.cumsum(each) - 1]
    held = np.add.reduceat(group.held_s[by_device], edges)
    parts = zip(
        there[edges].tolist(),
        np.split(order, edges[1:]),
        np.split(starts, edges[1:]),
        seconds.tolist(),
        held.tolist(),
        strict=True,
    )
    for index, members, begin, length, total in parts:
        yield index, _Run(group.placement, members, begin, length, total)


def block_order(problem: PlacementProblem, first: int, k: int) -> tuple[float, int, int]:
    """Sort key of a block by its first request: its deadline, then the LLM, then the placement."""
    return (float(problem.deadline_s[first]), problem.llms.index(problem.placements[k].llm), k)


def _run_device(
    problem: PlacementProblem, index: int, runs: list[_Run], start_s: FloatArray
) -> list[Block]:
    if len(runs) > 1:
        runs.sort(key=lambda run: block_order(problem, int(run.members[0]), run.placement))
    pool = problem.pools[problem.placements[runs[0].placement].pool]
    clock, loaded, blocks = pool.activation_s, None, []
    for run in runs:
        k = run.placement
        load_s, load_j = problem.load_s[k], problem.load_energy_j[k]
        resident = problem.placements[k].llm in problem.pools[problem.placements[k].pool].resident
        if resident or loaded == problem.placements[k].llm:
            load_s = load_j = 0.0
        else:
            loaded = problem.placements[k].llm
        first = clock + float(load_s)
        start_s[run.members] = first + run.starts
        clock = first + run.seconds
        loading = float(load_s), float(load_j)
        blocks.append(Block(index, k, *loading, first, run.seconds, run.slot_seconds, run.members))
    return blocks
