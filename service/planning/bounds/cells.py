"""Cells of similar requests, so that the linear relaxation of a large batch stays small."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from costmodel.workload import Workload
from service.planning.bounds.assignment_problem import AssignmentProblem

MOST_PAIRS = 12_000
"""(cell, placement) pairs that the linear relaxation takes in well under a second."""


def cell_labels(problem: AssignmentProblem, workload: Workload) -> IntArray:
    """Label requests so that a cell shares its allowed placements, its rows and its token bin.

    Returns
    -------
    IntArray
        Shape (n,), 0 to the number of cells less 1; every request its own cell where the batch is
        small enough.
    """
    n, k = problem.cost.shape
    if n * k <= MOST_PAIRS:
        return np.arange(n)
    signature = _signatures(problem)
    labels = np.zeros(n, dtype=np.int64)
    for width in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6):
        tokens = (_bins(workload.input_tokens, width), _bins(workload.output_tokens, width))
        keys = np.stack([signature, *tokens])
        labels = np.unique(keys, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)
        if (int(labels.max()) + 1) * k <= MOST_PAIRS:
            break
    return labels


def _bins(tokens: IntArray, width: float) -> IntArray:
    return np.asarray(np.floor(np.log1p(tokens.astype(float)) / width), dtype=np.int64)


def _signatures(problem: AssignmentProblem) -> IntArray:
    members = [row.members for row in problem.rows if row.members is not None]
    marks = np.concatenate([problem.allowed, *(m[:, None] for m in members)], axis=1)
    packed = np.packbits(marks, axis=1)
    signature = np.unique(packed, axis=0, return_inverse=True)[1]
    return np.asarray(signature.reshape(-1), dtype=np.int64)


def round_counts(counts: FloatArray, labels: IntArray, reduced: FloatArray) -> IntArray:
    """Give every request a placement so that its cell's counts are met to the nearest integer.

    Parameters
    ----------
    counts
        Members of each cell on each placement, fractional, shape (cells, k).
    reduced
        Reduced cost of each request on each placement, shape (n, k): in a split cell, those who
        gain most by a placement get it.
    """
    placement: IntArray = np.argmax(counts, axis=1)[labels]
    split = np.flatnonzero((counts > 1e-9).sum(axis=1) > 1)
    if not len(split):
        return placement
    order = np.argsort(labels, kind="stable")
    edges = np.searchsorted(labels[order], np.arange(len(counts) + 1))
    for cell in split.tolist():
        members = order[edges[cell] : edges[cell + 1]]
        placement[members] = _split(counts[cell], reduced[members])
    return placement


def _split(counts: FloatArray, reduced: FloatArray) -> IntArray:
    used = np.flatnonzero(counts > 1e-9)
    quota = np.floor(counts[used] + 1e-9).astype(np.int64)
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
