"""From fractional counts of aggregates to a placement for each request."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.bounds.reduced_costs import ReducedCosts

INTEGRALITY_TOLERANCE = 1e-9


def round_counts(counts: FloatArray, labels: IntArray, priced: ReducedCosts) -> IntArray:
    """Give every request a placement so that its aggregate's counts are met to the nearest integer.

    `counts` are the members of each aggregate on each placement, fractional, shape (aggregates, k),
    `labels` the aggregate of each request, shape (n,). In a split aggregate those who gain most by
    a placement, at reduced costs, get it.
    """
    placement: IntArray = np.argmax(counts, axis=1)[labels]
    split = (counts > INTEGRALITY_TOLERANCE).sum(axis=1) > 1
    members = np.flatnonzero(split[labels])
    if not len(members):
        return placement
    members = members[np.argsort(labels[members], kind="stable")]
    reduced = priced.of(members)
    edges = np.flatnonzero(np.diff(labels[members])) + 1
    starts, ends = np.append(0, edges), np.append(edges, len(members))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        part = slice(start, end)
        placement[members[part]] = _split(counts[labels[members[start]]], reduced[part])
    return placement


def _split(counts: FloatArray, reduced: FloatArray) -> IntArray:
    used = np.flatnonzero(counts > INTEGRALITY_TOLERANCE)
    quota = np.floor(counts[used] + INTEGRALITY_TOLERANCE).astype(np.int64)
    short = len(reduced) - int(quota.sum())
    quota[np.argsort(quota - counts[used], kind="stable")[:short]] += 1
    found = np.full(len(reduced), used[-1])
    free = np.arange(len(reduced))
    for position, k in enumerate(used[:-1].tolist()):
        rest = reduced[free][:, used[position + 1 :]].min(axis=1)
        rank = np.argsort(reduced[free, k] - rest, kind="stable")
        taken = rank[: quota[position]]
        found[free[taken]] = k
        free = np.delete(free, taken)
    return found
