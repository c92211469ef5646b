"""Least cost with longest-job terms: a block costs as many steps as its longest request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray, IntArray

FINE_OPENINGS = 40
"""Longest requests before each of which a placement may be opened."""
LENGTH_RATIO = 1.04
"""Factor between the lengths, rounded down, at which it may be opened beyond those."""


@dataclass(frozen=True)
class LongestJobOptimum:
    """Optimum over who goes where and how long the longest request of each placement is.

    `total` is the least cost, inf where a request has no placement; `placement` has shape (n,);
    `opened`, (k,), is the length at which each placement is opened, 0 where it is not or has no
    price.
    """

    total: float
    placement: IntArray
    opened: FloatArray


def cheapest_with_longest_jobs(
    reduced: FloatArray, opening: FloatArray, lengths: FloatArray
) -> LongestJobOptimum:
    """Minimise the cost of all requests plus, for each placement, its longest one times a price.

    From the longest request to the shortest, a placement is opened once and stays open: a dynamic
    programme over the sets of open placements. Openings are priced at lengths rounded down, which
    keeps the total a lower bound. `reduced` are costs, inf where not allowed, shape (n, k);
    `opening` is the price of a unit of each placement's longest request, at least 0, shape (k,);
    `lengths` are above 0, shape (n,).

    Examples
    --------
    >>> reduced = np.array([[1.0, 3.0], [1.0, 3.0]])
    >>> cheapest_with_longest_jobs(reduced, np.array([1.0, 0.0]), np.array([1.0, 9.0])).placement
    array([0, 1])
    """
    priced = np.flatnonzero(opening > 0.0)
    order = np.argsort(-lengths, kind="stable")
    costs, longest_first = reduced[order], lengths[order]
    starts = _group_starts(longest_first)
    lower = np.append(longest_first[starts[1:] - 1], longest_first[-1])
    free = np.where(opening > 0.0, np.inf, costs).min(axis=1)
    best = np.add.reduceat(_least_in_sets(costs[:, priced], free), starts, axis=1)
    total, sets = _open_in_turn(np.ascontiguousarray(best.T), opening[priced], lower)
    per_request = np.repeat(sets, np.diff(np.append(starts, len(order))))
    opened = np.zeros(len(opening))
    allowed = np.tile(opening <= 0.0, (len(order), 1))
    for position, column in enumerate(priced.tolist()):
        allowed[:, column] = (per_request >> position & 1).astype(bool)
        open_groups = np.flatnonzero(sets >> position & 1)
        opened[column] = lower[open_groups[0]] if len(open_groups) else 0.0
    placement = np.empty(len(order), dtype=np.int64)
    placement[order] = np.where(allowed, costs, np.inf).argmin(axis=1)
    return LongestJobOptimum(total, placement, opened)


def _group_starts(longest_first: FloatArray) -> IntArray:
    """First request of each group of similar length, from the longest."""
    bins = np.floor(np.log(longest_first) / np.log(LENGTH_RATIO))
    edge = np.append(True, bins[1:] != bins[:-1])
    edge[:FINE_OPENINGS] = True
    return np.flatnonzero(edge)


def _least_in_sets(costs: FloatArray, free: FloatArray) -> FloatArray:
    """Cheapest cost of each request for each set of open placements, shape (sets, n)."""
    n, width = costs.shape
    best = np.empty((1 << width, n))
    best[0] = free
    for position in range(width):
        half = 1 << position
        np.minimum(best[:half], costs[:, position], out=best[half : 2 * half])
    return best


def _open_in_turn(
    best: FloatArray, prices: FloatArray, lower: FloatArray
) -> tuple[float, IntArray]:
    """Return the least total and the set that is open for each group, shape (groups,)."""
    groups, sets = best.shape
    value = np.full(sets, np.inf)
    value[0] = 0.0
    came = np.empty((groups, sets), dtype=np.int64)
    for g in range(groups):
        came[g] = np.arange(sets)
        for position, price in enumerate(prices.tolist()):
            pairs = value.reshape(-1, 2, 1 << position)
            origin = came[g].reshape(-1, 2, 1 << position)
            opened = pairs[:, 0] + price * lower[g]
            better = opened < pairs[:, 1]
            np.copyto(pairs[:, 1], opened, where=better)
            np.copyto(origin[:, 1], origin[:, 0], where=better)
        value += best[g]
    last = int(np.argmin(value))
    chosen = np.empty(groups, dtype=np.int64)
    total = float(value[last])
    for g in range(groups - 1, -1, -1):
        chosen[g] = last
        last = int(came[g, last])
    return total, chosen
