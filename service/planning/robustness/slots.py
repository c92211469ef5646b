"""When requests end that wait in line for the slots of one device, in many scenarios at once."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray

EXACT_OPERATIONS = 1_500_000_000
"""Up to this many comparisons of slots a line is followed exactly, a second or so."""
WAVES = 40
"""Requests in line for each slot above which the bound on their ends is off by at most 2 or 3 %."""


def line_ends(held: FloatArray, slots: int) -> FloatArray:
    """Return when requests end that start in order, each in the slot that is free first.

    Long lines get an upper bound: when request j starts, some slot is free no later than at the
    mean of all slots' work so far, ``sum_{i < j} held_i / slots``.

    Parameters
    ----------
    held
        Shape (m, s): how long request i holds its slot in each scenario.
    slots
        At least 1.

    Returns
    -------
    ndarray of float64, shape (m, s)

    Examples
    --------
    >>> line_ends(np.array([[3.0], [2.0], [2.0]]), 2)[:, 0].tolist()
    [3.0, 2.0, 4.0]
    """
    requests, scenarios = held.shape
    if slots == 1:
        return np.cumsum(held, axis=0)
    if requests <= slots:
        return held.copy()
    if requests > WAVES * slots and requests * scenarios * slots > EXACT_OPERATIONS:
        before = np.cumsum(held, axis=0)
        before -= held
        return before / slots + held
    return _follow(held, slots)


def _follow(held: FloatArray, slots: int) -> FloatArray:
    ends = held.copy()
    free = np.ascontiguousarray(held[:slots].T)
    rows = np.arange(held.shape[1])
    for request in range(slots, held.shape[0]):
        slot = free.argmin(axis=1)
        ends[request] += free[rows, slot]
        free[rows, slot] = ends[request]
    return ends
