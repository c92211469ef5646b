"""Which slot takes which request, and when: the longest that wait start where a slot is free first.

``fill_blocks`` is exact for any number of requests. ``balance_slots``, which only has to spread
requests over the devices of a pool, places most of a large batch by shares and the rest exactly.
"""

from __future__ import annotations

import heapq

import numpy as np

from costmodel.arrays import FloatArray, IntArray

LOCKSTEP_S = (9e-6, 0.7e-9)
"""Seconds of a step over all blocks together: fixed, and for each slot."""
HEAP_S = 0.4e-6
"""Seconds of a step of one request through a heap; both measured, only their ratio matters."""
GOLDEN_RATIO = (5**0.5 - 1) / 2
"""Multiples of it, less their whole part, fill [0, 1) evenly at every length (Weyl sequence)."""
EXACT_REQUESTS = 6_000
"""Requests that are always dispatched one by one."""
MAX_RUNS = 64
"""Deadlines of a block up to which the slots' ends are evened out at each of them."""
MAX_SWAP_ROUNDS = 12
"""Swaps of each slot that evening out may take."""
MAX_REMAINING_SPREAD = 0.8
"""Share of the widest spread that a round leaves at most if another is to follow."""
SWAP_CANDIDATES = 16
"""Requests of a slot that are looked at for a swap."""
PARTNER_OFFSETS = np.arange(-12, 13)
"""Requests of the other slot that each may be swapped for: about as long."""
EVEN_SPREAD = 1e-6
"""Spread of the slots' ends, as a share of the latest, that is even enough."""


def fill_blocks(slot_s: FloatArray, counts: IntArray, slots: int) -> tuple[FloatArray, FloatArray]:
    """Start the requests of blocks in the given order, each in the slot that is free first.

    `slot_s` is for how long each request holds its slot, block after block, shape (m,); `counts`
    are the requests of each block, at least 1, shape (blocks,). Returned are the start of each
    request from its block's start, (m,), and the seconds of each block, (blocks,).

    Examples
    --------
    >>> starts, seconds = fill_blocks(np.array([3.0, 2.0, 2.0]), np.array([3]), 2)
    >>> starts.tolist(), seconds.tolist()
    ([0.0, 0.0, 2.0], [4.0])
    """
    edges = np.append(0, np.cumsum(counts))
    deep = counts > slots
    steps, blocks = int(counts.max(initial=0)), int(deep.sum())
    together = steps * (LOCKSTEP_S[0] + LOCKSTEP_S[1] * blocks * slots)
    if slots > 1 and blocks > 1 and together < HEAP_S * int(counts[deep].sum()):
        return _in_lockstep(slot_s, counts, edges, slots)
    starts, seconds = np.zeros(len(slot_s)), np.empty(len(counts))
    for block, (start, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        part = slice(start, end)
        starts[part], seconds[block] = _fill_one(slot_s[part], slots)
    return starts, seconds


def _fill_one(slot_s: FloatArray, slots: int) -> tuple[FloatArray, float]:
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


def _in_lockstep(
    slot_s: FloatArray, counts: IntArray, edges: IntArray, slots: int
) -> tuple[FloatArray, FloatArray]:
    """Take the i-th request of every block at once, the blocks with most requests first."""
    order = np.argsort(-counts, kind="stable")
    first, size = edges[:-1][order], counts[order]
    going = np.searchsorted(-size, -np.arange(1, int(size[0]) + 1), side="right")
    free = np.zeros((len(counts), slots))
    starts = np.empty(len(slot_s))
    for step, blocks in enumerate(going.tolist()):
        rows, where = np.arange(blocks), first[:blocks] + step
        slot = free[:blocks].argmin(axis=1)
        now = free[rows, slot]
        starts[where] = now
        free[rows, slot] = now + slot_s[where]
    seconds = np.empty(len(counts))
    seconds[order] = free.max(axis=1)
    return starts, seconds


def balance_slots(slot_s: FloatArray, free_s: FloatArray) -> tuple[IntArray, FloatArray]:
    """Give requests, in order, to slots so that all end at about the same time.

    `slot_s` has the seconds of each request, longest first within a deadline, (m,), `free_s` when
    each slot is free, (slots,). Returned are the slot of each request and when each slot is free
    then.
    """
    slot = np.empty(len(slot_s), dtype=np.int64)
    free = free_s.astype(float)
    runs = np.flatnonzero(np.diff(slot_s) > 0.0) + 1
    if len(runs) > MAX_RUNS:
        _one_by_one(slot_s, free, slot)
        return slot, free
    for start, end in zip([0, *runs.tolist()], [*runs.tolist(), len(slot_s)], strict=True):
        part = slice(start, end)
        _balance_run(slot_s[part], free, slot[part])
        _even_out(slot_s[part], free, slot[part])
    return slot, free


def _balance_run(slot_s: FloatArray, free: FloatArray, slot: IntArray) -> None:
    """Dispatch most of a run by shares and a sample of it one by one, which evens out the ends."""
    size = max(EXACT_REQUESTS // 3, 6 * len(free))
    while len(slot_s) > EXACT_REQUESTS and 2 * size < len(slot_s):
        late = np.zeros(len(slot_s), dtype=bool)
        late[np.linspace(0, len(slot_s) - 1, size).astype(np.int64)] = True
        placed, ends = _by_shares(slot_s[~late], free, float(slot_s.sum()))
        if float((ends.max() - ends).sum()) <= 0.95 * float(slot_s[late].sum()):
            sample = np.empty(int(late.sum()), dtype=np.int64)
            _one_by_one(slot_s[late], ends, sample)
            slot[~late], slot[late], free[:] = placed, sample, ends
            return
        size *= 4
    _one_by_one(slot_s, free, slot)


def _by_shares(slot_s: FloatArray, free: FloatArray, work_s: float) -> tuple[IntArray, FloatArray]:
    """Place in proportion to the room that each slot has below the level that all work reaches."""
    lowest = np.sort(free)
    levels = (work_s + np.cumsum(lowest)) / np.arange(1, len(free) + 1)
    level = levels[max(0, int((lowest < levels).sum()) - 1)]
    room = np.cumsum(np.maximum(0.0, level - free))
    turns = (np.arange(len(slot_s)) * GOLDEN_RATIO) % 1.0
    placed = np.searchsorted(room, turns * room[-1], side="right")
    placed = np.minimum(placed, len(free) - 1)
    return placed, free + np.bincount(placed, weights=slot_s, minlength=len(free))


def _even_out(slot_s: FloatArray, free: FloatArray, slot: IntArray) -> None:
    """Swap requests between slots that end late and slots that end early.

    Placed longest first, slots end apart by up to the shortest request; where even that is long,
    as among the long requests of a late deadline, swaps of nearly equal ones close the rest. The
    slot that ends last is paired with the first, the last but one with the second, and so on: of
    some requests of either, the two swap whose lengths differ by about half of the pair's spread.
    """
    if len(slot_s) < 2 * len(free) or free.max() - free.min() <= EVEN_SPREAD * free.max():
        return
    members = np.argsort(narrow(slot), kind="stable")
    counts = np.bincount(slot, minlength=len(free))
    first, before = np.cumsum(counts) - counts, np.inf
    for attempt in range(MAX_SWAP_ROUNDS):
        by_end = np.argsort(free, kind="stable")
        by_end = by_end[counts[by_end] > 0]
        early, late = by_end[: len(by_end) // 2], by_end[::-1][: len(by_end) // 2]
        spread = free[late] - free[early]
        if (
            not len(spread)
            or spread[0] <= EVEN_SPREAD * free[late[0]]
            or spread[0] > MAX_REMAINING_SPREAD * before
        ):
            return
        before = float(spread[0])
        shares = (np.arange(SWAP_CANDIDATES) + attempt * GOLDEN_RATIO % 1.0) / SWAP_CANDIDATES
        at_late = (shares * counts[late][:, None]).astype(np.int64)
        at_early = (shares * counts[early][:, None]).astype(np.int64)[:, :, None] + PARTNER_OFFSETS
        at_early = np.clip(at_early, 0, counts[early][:, None, None] - 1)
        longer = first[late][:, None] + at_late
        shorter = first[early][:, None, None] + at_early
        moved = slot_s[members[longer]][:, :, None] - slot_s[members[shorter]]
        moved = moved.reshape(len(spread), -1)
        best = np.abs(moved - 0.5 * spread[:, None]).argmin(axis=1)
        pairs = np.arange(len(spread))
        taken = moved[pairs, best]
        useful = np.flatnonzero((taken > 0.0) & (taken < spread))
        one = longer[useful, best[useful] // len(PARTNER_OFFSETS)]
        other = shorter.reshape(len(spread), -1)[useful, best[useful]]
        members[one], members[other] = members[other], members[one]
        slot[members[one]], slot[members[other]] = late[useful], early[useful]
        free[late[useful]] -= taken[useful]
        free[early[useful]] += taken[useful]


def narrow(labels: IntArray) -> IntArray:
    """Return small integers, shape (n,), in a type that is sorted in linear time."""
    return labels.astype(np.uint16) if int(labels.max(initial=0)) < 2**16 else labels


def _one_by_one(slot_s: FloatArray, free: FloatArray, slot: IntArray) -> None:
    heap = [(seconds, index) for index, seconds in enumerate(free.tolist())]
    heapq.heapify(heap)
    replace = heapq.heapreplace
    chosen = []
    for seconds in slot_s.tolist():
        now, index = heap[0]
        replace(heap, (now + seconds, index))
        chosen.append(index)
    slot[:] = chosen
    for now, index in heap:
        free[index] = now
