"""Cells of like requests, so that the fractional problem of a large batch stays small."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.workload import Workload

WHOLE_UP_TO = 500
"""Up to so many requests each is a cell of its own and whole."""
CELLS = 1_500
"""Cells of larger batches, about; bins of tokens hold equal numbers of requests."""


@dataclass(frozen=True)
class Cells:
    """Requests alike, with the mean of their coefficients.

    Attributes
    ----------
    size
        Members, shape (c,).
    energy_j, seconds, longest_s
        Means, and the longest latency of a member, shape (c, k).
    allowed
        Shape (c, k).
    end
        Share of the batch's deadline by which the cell's requests are due, shape (c,).
    whole
        Whether only whole requests may be placed.
    """

    size: FloatArray
    energy_j: FloatArray
    seconds: FloatArray
    longest_s: FloatArray
    allowed: BoolArray
    end: FloatArray
    whole: bool


def cells_of(
    group: IntArray,
    workload: Workload,
    columns: Iterable[tuple[FloatArray, FloatArray, FloatArray]],
    allowed: BoolArray,
    end: FloatArray,
) -> Cells:
    """Gather requests of one group and of like tokens; a group shares `allowed` and `end`.

    Parameters
    ----------
    columns
        For each placement joules, device-seconds and latencies of the requests, each (n,): one
        after the other, so that a million requests need not lie in memory on every placement.
    """
    n = len(group)
    labels = np.arange(n) if n <= WHOLE_UP_TO else _labels(group, workload)
    cells = int(labels.max()) + 1
    size = np.bincount(labels, minlength=cells).astype(float)
    first = np.zeros(cells, dtype=np.int64)
    first[labels[::-1]] = np.arange(n)[::-1]
    means = [
        (_mean(energy, labels, size), _mean(seconds, labels, size), _longest(slots, labels, cells))
        for energy, seconds, slots in columns
    ]
    energy_j, seconds, longest_s = (np.stack(part, axis=1) for part in zip(*means, strict=True))
    whole = n <= WHOLE_UP_TO
    return Cells(size, energy_j, seconds, longest_s, allowed[first], end[first], whole)


def _labels(group: IntArray, workload: Workload) -> IntArray:
    label = np.unique(group, return_inverse=True)[1].reshape(-1).astype(np.int64)
    bins = max(4, round((CELLS / (int(label.max()) + 1)) ** 0.5))
    for counts in (workload.input_tokens, workload.output_tokens):
        edges = np.quantile(counts, np.linspace(0.0, 1.0, bins + 1)[1:-1])
        label = label * bins + np.searchsorted(edges, counts, side="right")
    return np.unique(label, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _mean(values: FloatArray, labels: IntArray, size: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(labels, weights=values, minlength=len(size)) / size)


def _longest(values: FloatArray, labels: IntArray, cells: int) -> FloatArray:
    longest = np.zeros(cells)
    np.maximum.at(longest, labels, values)
    return longest
