"""Aggregates of similar requests, so that the linear relaxation of a large batch stays small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.arrays import BoolArray, IntArray
from costmodel.workload import Workload
from planner.solvers.assignment_problem import AssignmentProblem

EXACT_PAIRS = 12_000
"""(request, placement) pairs up to which every request is an aggregate of its own."""
MAX_AGGREGATES = 2_000
"""Largest number of fine aggregates; the linear programme sees a few of their pairs at a time."""
COARSE_PAIRS = 5_000
"""(aggregate, placement) pairs that the linear programme solves whole in about 0.1 s."""
FINEST_BIN_WIDTH = 0.0125
BIN_DOUBLINGS = 9
"""Widths of the bins on the logarithmic axes of tokens: each twice the one before, so that a bin
lies within one of the next width."""
DENSE_KEYS = 20_000_000


@dataclass(frozen=True)
class Aggregates:
    """A partition of the requests, and a coarser one of which it is a refinement.

    `labels`, shape (n,), are the aggregates of the requests, 0 to `count` less 1; `parents`, shape
    (count,), the coarser aggregate of each, None where there is none.
    """

    labels: IntArray
    count: int
    parents: IntArray | None = None

    @property
    def parent_count(self) -> int:
        """Number of coarser aggregates."""
        return 0 if self.parents is None else int(self.parents.max()) + 1

    def refined(self, marks: IntArray, marked: int) -> Aggregates:
        """Return the partition refined by another label of each request, 0 to `marked` less 1."""
        labels, count = compact(self.labels * marked + marks, self.count * marked)
        return Aggregates(labels, count, _each_once(labels, self.labels, count))


def aggregate_requests(problem: AssignmentProblem, workload: Workload) -> Aggregates:
    """Partition requests by allowed placements, row class and bins of tokens.

    Every request is its own aggregate where the batch is small enough.
    """
    n, k = problem.n, problem.k
    if n * k <= EXACT_PAIRS:
        return Aggregates(np.arange(n), n)
    kinds, kind_count = _kinds(problem)
    if (sequences := workload.sequences) is not None:
        beyond = int(sequences.max()) + 1
        kinds, kind_count = compact(kinds * beyond + sequences, kind_count * beyond)
    tokens = workload.input_tokens, workload.output_tokens
    axes = [np.log1p(t.astype(float)) / FINEST_BIN_WIDTH for t in tokens]
    bins = [axis.astype(np.int64) for axis in axes]
    fine: tuple[IntArray, int] | None = None
    for _ in range(BIN_DOUBLINGS):
        keys, maximum = _joined(kinds, kind_count, *bins)
        if fine is None and _distinct(keys, maximum) <= MAX_AGGREGATES:
            fine = compact(keys, maximum)
        if fine is not None and _distinct(keys, maximum) * k <= COARSE_PAIRS:
            break
        bins = [b >> 1 for b in bins]
    coarse = compact(*_joined(kinds, kind_count, *bins))
    labels, count = coarse if fine is None else fine
    return Aggregates(labels, count, _each_once(labels, coarse[0], count))


def _joined(
    kinds: IntArray, kind_count: int, first: IntArray, second: IntArray
) -> tuple[IntArray, int]:
    """Return one key for each request out of three labels, and a number that all lie below."""
    width, height = int(first.max()) + 1, int(second.max()) + 1
    return (kinds * width + first) * height + second, kind_count * width * height


def _distinct(keys: IntArray, maximum: int) -> int:
    if maximum <= DENSE_KEYS:
        return int(np.count_nonzero(np.bincount(keys)))
    return len(np.unique(keys))


def compact(keys: IntArray, maximum: int) -> tuple[IntArray, int]:
    """Return a label from 0 for each key below `maximum`, shape (n,), and how many there are."""
    if maximum > DENSE_KEYS:
        found, labels = np.unique(keys, return_inverse=True)
        return labels.reshape(-1).astype(np.int64), len(found)
    used = np.bincount(keys, minlength=maximum) > 0
    names = np.cumsum(used) - 1
    return names[keys], int(used.sum())


def _each_once(labels: IntArray, other: IntArray, count: int) -> IntArray:
    """Return the other label of each label, where one decides the other, shape (count,)."""
    found = np.zeros(count, dtype=np.int64)
    found[labels] = other
    return found


def _kinds(problem: AssignmentProblem) -> tuple[IntArray, int]:
    """Label requests by their row class and their allowed placements."""
    patterns, count = pattern_labels(problem.allowed)
    classes = problem.class_count
    return compact(patterns * classes + problem.class_labels, count * classes)


def pattern_labels(allowed: BoolArray) -> tuple[IntArray, int]:
    """Label rows of (n, k) marks so that equal rows share one; return how many there are."""
    labels, count = np.zeros(len(allowed), dtype=np.int64), 1
    for word in _words(allowed):
        found, marks = np.unique(word, return_inverse=True)
        labels, count = compact(labels * len(found) + marks.reshape(-1), count * len(found))
    return labels, count


def _words(allowed: BoolArray) -> list[IntArray]:
    """Return the allowed placements as bits of integers, 32 to each, shape (n,) each."""
    words = []
    for start in range(0, allowed.shape[1], 32):
        columns = range(start, min(start + 32, allowed.shape[1]))
        part = [k for k in columns if not allowed[:, k].all()]
        if part:
            word = np.zeros(len(allowed), dtype=np.int64)
            for bit, k in enumerate(part):
                word |= allowed[:, k].astype(np.int64) << bit
            words.append(word)
    return words
