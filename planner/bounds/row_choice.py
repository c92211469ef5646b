"""Which deadlines and pinned devices get rows, and the groups of requests that they make.

Work that is due by a deadline has to fit before it, for every pool and every distinct deadline.
Thousands of rows would be needed of which few bind, so that most are added when they are broken.
"""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.problem import PlacementProblem

FIRST_DEADLINES = 12
"""Distinct deadlines that get rows at first; others get theirs when an assignment breaks them."""
MAX_ADDED_DEADLINES = 8
"""Broken deadlines that get rows at a time."""
DEADLINE_ROW_TOLERANCE = 1e-4
"""Share of its room by which a deadline's row may be exceeded before it gets its own."""
MAX_PINNED_DEVICES = 12
"""Devices with pinned requests that get rows of their own, those with the most requests first."""


def first_deadlines(problem: PlacementProblem) -> FloatArray:
    """Return distinct deadlines, spread over all, before the last, rising, shape (D,)."""
    found = problem.deadlines.distinct_s[:-1]
    if len(found) > FIRST_DEADLINES:
        found = found[np.linspace(0, len(found) - 1, FIRST_DEADLINES).astype(int)]
    return found


def with_broken_deadlines(
    problem: PlacementProblem,
    deadlines: FloatArray,
    placement: IntArray,
    work: FloatArray,
    room: FloatArray,
) -> FloatArray | None:
    """Return the deadlines that have rows and those whose rows an assignment breaks most, rising.

    `deadlines`, (D,), have rows. `placement` and `work`, (n,) each, are the placement of each
    request and its least device-seconds there before it ends; `room` is what each pool has before
    each distinct deadline, shape (pools, distinct). None where every deadline's row holds.
    """
    distinct_s, rank = problem.deadlines.distinct_s, problem.deadlines.rank
    excess = np.full(len(distinct_s), -np.inf)
    for index, before in enumerate(room):
        members = problem.pool_of[placement] == index
        ranks = rank[members].astype(np.int64)
        due = np.cumsum(np.bincount(ranks, weights=work[members], minlength=len(distinct_s)))
        np.maximum(excess, due / np.maximum(before, 1e-12) - 1.0, out=excess)
    excess[-1] = -np.inf
    excess[np.isin(distinct_s, deadlines)] = -np.inf
    worst = np.argsort(-excess, kind="stable")[:MAX_ADDED_DEADLINES]
    worst = worst[excess[worst] > DEADLINE_ROW_TOLERANCE]
    if not len(worst):
        return None
    return np.unique(np.concatenate([deadlines, distinct_s[worst]]))


def pinned_devices(problem: PlacementProblem) -> IntArray:
    """Return the devices to which most requests are pinned, rising, shape (P,)."""
    if problem.requests.device is None:
        return np.empty(0, dtype=np.int64)
    pinned = problem.pinned_device[problem.pinned_device >= 0]
    found, counts = np.unique(pinned, return_counts=True)
    return np.sort(found[np.argsort(-counts, kind="stable")[:MAX_PINNED_DEVICES]])


def row_classes(problem: PlacementProblem, deadlines: FloatArray, pinned: IntArray) -> IntArray:
    """Label requests by the first deadline that they are due by, then by pinned device, (n,).

    Only deadlines (D,) and devices (P,) that have rows count, both rising.
    """
    row_class = np.searchsorted(deadlines, problem.deadline_s)
    if len(pinned):
        position = np.searchsorted(pinned, problem.pinned_device)
        there = pinned[np.minimum(position, len(pinned) - 1)]
        pin = np.where(there == problem.pinned_device, position + 1, 0)
        row_class = row_class * (len(pinned) + 1) + pin
    return np.asarray(row_class)
