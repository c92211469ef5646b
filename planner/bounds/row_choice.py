"""Which deadlines and pinned devices get rows at first, and the groups of requests they make."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.problem import PlacementProblem

FIRST_DEADLINES = 12
"""Distinct deadlines that get rows at first; others get theirs when an assignment breaks them."""
MOST_PINNED = 12
"""Devices with pinned requests that get rows of their own, those with the most requests first."""


def first_deadlines(problem: PlacementProblem) -> FloatArray:
    """Return distinct deadlines, spread over all, before the last, rising, shape (D,)."""
    found = problem.deadlines.distinct_s[:-1]
    if len(found) > FIRST_DEADLINES:
        found = found[np.linspace(0, len(found) - 1, FIRST_DEADLINES).astype(int)]
    return found


def pinned_devices(problem: PlacementProblem) -> IntArray:
    """Return the devices to which most requests are pinned, rising, shape (P,)."""
    if problem.requests.device is None:
        return np.empty(0, dtype=np.int64)
    pinned = problem.pinned_device[problem.pinned_device >= 0]
    found, counts = np.unique(pinned, return_counts=True)
    return np.sort(found[np.argsort(-counts, kind="stable")[:MOST_PINNED]])


def groups_of(problem: PlacementProblem, deadlines: FloatArray, pinned: IntArray) -> IntArray:
    """Label requests by the first deadline that they are due by, then by pinned device, (n,).

    Parameters
    ----------
    deadlines
        Deadlines that have rows, rising, shape (D,).
    pinned
        Devices whose pinned requests have rows, rising, shape (P,).
    """
    group = np.searchsorted(deadlines, problem.deadline_s)
    if len(pinned):
        position = np.searchsorted(pinned, problem.pinned_device)
        there = pinned[np.minimum(position, len(pinned) - 1)]
        pin = np.where(there == problem.pinned_device, position + 1, 0)
        group = group * (len(pinned) + 1) + pin
    return np.asarray(group)
