"""List scheduling on a pool: devices filled up to a level, or partitioned by what is due early."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from planner.problem import PlacementProblem
from planner.schedule.schedule import Group
from planner.schedule.slots import balance_slots


def dispatch_to_level(
    problem: PlacementProblem, pool: int, groups: list[Group], level_s: float, device: IntArray
) -> None:
    """Dispatch groups in order, each to the fewest devices that hold it up to a fill level.

    The device of each request is written into `device`, shape (n,).
    """
    scheduler = _ListScheduler(problem, pool, groups, device)
    for group in groups:
        scheduler.dispatch(group, level_s)


def partitioned_dispatch(
    problem: PlacementProblem, pool: int, groups: list[Group], level_s: float, device: IntArray
) -> bool:
    """Dispatch what is due before the pool's last deadline to whole devices of each group first.

    A device runs one block of each group after the other: what is due early in the second would
    wait for all of the first. Late requests then go wherever there is room up to `level_s`,
    their group's own devices first. Returns False where there is nothing to keep apart.
    """
    scheduler = _ListScheduler(problem, pool, groups, device)
    last = max(int(problem.deadlines.rank[group.members].max()) for group in groups)
    early = [problem.deadlines.rank[group.members] < last for group in groups]
    work = [
        float(group.held_s[first].sum()) / problem.placements[group.placement].concurrency
        for group, first in zip(groups, early, strict=True)
    ]
    own = whole_devices(np.array(work), scheduler.count)
    if own is None:
        return False
    for group, first, devices in zip(groups, early, own, strict=True):
        if first.any():
            part = group.take(first)
            scheduler.dispatch(part, level_s, only=devices)
    for group, first, devices in zip(groups, early, own, strict=True):
        if not first.all():
            part = group.take(~first)
            scheduler.dispatch(part, level_s, preferred=devices)
    return True


def whole_devices(work: FloatArray, count: int) -> list[IntArray] | None:
    """Devices of each group about in proportion to its work, none shared; None where too few."""
    some = work > 0.0
    if some.sum() < 2 or some.sum() > count:
        return None
    share = work / work.sum() * count
    whole = np.where(some, np.maximum(1.0, np.floor(share)), 0.0)
    while whole.sum() > count:
        whole[np.argmax(np.where(whole > 1.0, whole - share, -np.inf))] -= 1.0
    while whole.sum() < count:
        whole[np.argmax(np.where(some, share - whole, -np.inf))] += 1.0
    ends = np.cumsum(whole).astype(np.int64)
    return np.split(np.arange(count), ends[:-1])


class _ListScheduler:
    """When each device of a pool is free, and which LLM it has loaded, as groups are dispatched."""

    def __init__(
        self, problem: PlacementProblem, pool: int, groups: list[Group], device: IntArray
    ) -> None:
        self.problem, self.device = problem, device
        members = sum(len(group.members) for group in groups)
        last_pinned = -1
        if problem.requests.device is not None:
            pinned = problem.pinned_device
            last_pinned = max(int(pinned[group.members].max()) for group in groups)
        self.count = max(min(problem.pools[pool].count, members), last_pinned + 1)
        self.clock = np.full(self.count, problem.pools[pool].activation_s)
        self.used = np.zeros(self.count, dtype=bool)
        self.loaded: list[str | None] = [None] * self.count

    def dispatch(
        self,
        group: Group,
        level_s: float,
        only: IntArray | None = None,
        preferred: IntArray | None = None,
    ) -> None:
        """Dispatch a group to devices that have room up to a level, or to all of `only`."""
        problem, count = self.problem, self.count
        k, seconds = group.placement, group.held_s
        llm, slots = problem.placements[k].llm, problem.placements[k].concurrency
        load = [0.0 if self.loaded[d] == llm else float(problem.load_s[k]) for d in range(count)]
        start, taken = self.clock + np.array(load), np.zeros(count, dtype=bool)
        free = group.members
        if problem.requests.device is not None:
            pinned = problem.pinned_device[group.members]
            fixed = pinned >= 0
            self.device[group.members[fixed]] = pinned[fixed]
            start = _after_pinned(seconds[fixed], pinned[fixed], start, slots)
            taken[pinned[fixed]] = True
            free, seconds = free[~fixed], seconds[~fixed]
        if len(free):
            devices = only
            if devices is None:
                first = self.used | taken
                if preferred is not None:
                    first = np.isin(np.arange(count), preferred)
                devices = np.array(_windows(first, level_s - start, seconds, slots))
            each = min(slots, len(free))
            slot, ends = balance_slots(seconds, np.repeat(start[devices], each))
            self.device[free] = devices[slot // each]
            dispatched = np.bincount(slot // each, minlength=len(devices)) > 0
            start[devices[dispatched]] = ends.reshape(-1, each).max(axis=1)[dispatched]
            taken[devices[dispatched]] = True
        self.clock[taken] = start[taken]
        self.used |= taken
        if problem.load_s[k] > 0.0:
            for d in np.flatnonzero(taken).tolist():
                self.loaded[d] = llm


def _after_pinned(
    slot_s: FloatArray, device: IntArray, start_s: FloatArray, slots: int
) -> FloatArray:
    """About when each device has done the requests of a group that are pinned to it, (devices,)."""
    work = np.bincount(device, weights=slot_s, minlength=len(start_s)) / slots
    np.maximum.at(work, device, slot_s)
    return np.asarray(start_s + work)


def _windows(first: BoolArray, room_s: FloatArray, slot_s: FloatArray, slots: int) -> list[int]:
    """Devices for a group: some that have room first, then others, until its work fits."""
    need = float(slot_s.sum()) / slots
    longest = float(slot_s.max())
    order = np.lexsort((np.arange(len(first)), ~first))
    chosen: list[int] = []
    for d in order.tolist():
        if room_s[d] < longest:
            continue
        chosen.append(d)
        need -= room_s[d]
        if need <= 0.0:
            return chosen
    return list(range(len(first)))
