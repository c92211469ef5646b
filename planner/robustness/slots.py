"""When requests end that wait in line for the slots of one device, in many scenarios at once."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray

EXACT_OPERATIONS = 200_000_000
"""Up to this many comparisons of slots a line is followed in every scenario, a quarter second."""
FOLLOWED_SCENARIOS = 50
"""Scenarios of a longer line that are followed: how loose a bound is hardly varies with them."""


def line_ends(held: FloatArray, slots: int) -> FloatArray:
    """Return when requests end that start in order, each in the slot that is free first, (m, s).

    `held`, (m, s), is how long each request holds its slot in each scenario. Of long lines some
    scenarios are followed; in the others a request starts when `latest_ends` says, times the mean
    ratio between the starts followed and that.

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
    if requests * scenarios * slots <= EXACT_OPERATIONS or scenarios <= FOLLOWED_SCENARIOS:
        return _follow(held, slots)
    some = held[:, :FOLLOWED_SCENARIOS]
    starts = latest_ends(held, slots)
    starts -= held
    followed = (_follow(some, slots) - some).sum(axis=1)
    bounds = starts[:, :FOLLOWED_SCENARIOS].sum(axis=1)
    starts *= np.divide(followed, bounds, out=np.zeros_like(bounds), where=bounds > 0.0)[:, None]
    starts += held
    return starts


def latest_ends(held: FloatArray, slots: int) -> FloatArray:
    """Return an upper bound on `line_ends`, which is close where a line is long.

    When request j starts, some slot is free no later than at the mean of all slots' work so far,
    ``sum_{i < j} held_i / slots``.
    """
    ends = np.cumsum(held, axis=0)
    ends -= held
    ends /= slots
    ends += held
    return ends


def _follow(held: FloatArray, slots: int) -> FloatArray:
    ends = held.copy()
    free = np.ascontiguousarray(held[:slots].T)
    rows = np.arange(held.shape[1])
    for request in range(slots, held.shape[0]):
        slot = free.argmin(axis=1)
        ends[request] += free[rows, slot]
        free[rows, slot] = ends[request]
    return ends
