"""The fractional problem behind an instance, written out once more and solved by SciPy's HiGHS.

It places the limits of an instance: how small a deadline can be, how few joules suffice. Nothing
of the planner is in here.

    y[c, k] >= 0  members of cell c on placement k,     sum_k y[c, k] = size[c]
    pool p:       sum seconds y <= count[p] * end * T,  end 1 for the batch, below for early tiers
    LLM l:        least[l] <= sum y <= most[l]
    joules:       sum energy y + idle <= cap,   idle = sum_p watts[p] (count[p] T - busy[p])
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import LinearConstraint, OptimizeResult, milp
from scipy.sparse import csr_array

from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.workload import Workload

WHOLE_UP_TO = 500
"""Up to so many requests each is a cell of its own and whole."""
BINS = (14, 18)
"""Bins of input and of output tokens of larger batches, of equal numbers of requests."""
MIP_SECONDS = 5.0
MIP_GAP = 5e-3


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
    tokens
        Mean of input plus output tokens, shape (c,).
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
    tokens: FloatArray
    end: FloatArray
    whole: bool


@dataclass(frozen=True)
class Terms:
    """What is asked of the fractional plan; None or empty where there is no such limit.

    Attributes
    ----------
    least, most
        Requests of each LLM, by the columns that it has.
    idle_watts
        Of each pool's devices that stay on, shape (pools,).
    energy_price, quality_price
        The objective is ``energy_price * joules - quality_price * sum(score * tokens)``.
    """

    deadline_s: float | None = None
    own_deadlines: bool = True
    counts: tuple[tuple[IntArray, float, float], ...] = ()
    cap_j: float | None = None
    idle_watts: FloatArray | None = None
    energy_price: float = 1.0
    quality_price: float = 0.0


@dataclass(frozen=True)
class Pooling:
    """Pools of the placements: index (k,), devices (pools,), and the scores (k,)."""

    pool_of: IntArray
    count: FloatArray
    quality: FloatArray


@dataclass
class _Rows:
    """Linear rows gathered before they are solved; the last column is the makespan T."""

    width: int
    data: list[FloatArray] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def add(self, coefficients: FloatArray, low: float, high: float) -> None:
        scale = float(np.abs(coefficients).max()) or 1.0
        self.data.append(coefficients / scale)
        self.low.append(low / scale)
        self.high.append(high / scale)


@dataclass(frozen=True)
class Fractional:
    """Optimum of the fractional problem: members of each cell, (c, k), its T and its totals."""

    counts: FloatArray
    makespan_s: float
    energy_j: float
    value: float


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
    tokens = (workload.input_tokens + workload.output_tokens).astype(float)
    return Cells(
        size,
        energy_j,
        seconds,
        longest_s,
        allowed[first],
        _mean(tokens, labels, size),
        end[first],
        n <= WHOLE_UP_TO,
    )


def least_deadline_s(cells: Cells, pooling: Pooling, terms: Terms) -> float:
    """Return the least deadline for which there is a fractional plan [s].

    What takes longer than a deadline on a placement cannot be there: the least deadline is where
    the two agree, found by bisection.
    """
    free = replace(terms, deadline_s=None, energy_price=0.0, quality_price=0.0, cap_j=None)
    low = _least_makespan(cells, pooling, free, np.inf)
    high = low
    while (needed := _least_makespan(cells, pooling, free, high)) > high:
        low, high = high, min(needed, 2.0 * high)
    for _ in range(12 if high > low else 0):
        middle = (low * high) ** 0.5
        if _least_makespan(cells, pooling, free, middle) > middle:
            low = middle
        else:
            high = middle
    return high


def solve(cells: Cells, pooling: Pooling, terms: Terms) -> Fractional | None:
    """Return the plan of least objective; None where there is none."""
    found = _solved(cells, pooling, terms, terms.deadline_s or np.inf, for_makespan=False)
    return None if found is None else found


def _least_makespan(cells: Cells, pooling: Pooling, terms: Terms, due_s: float) -> float:
    found = _solved(cells, pooling, terms, due_s, for_makespan=True)
    return np.inf if found is None else found.makespan_s


def _solved(
    cells: Cells, pooling: Pooling, terms: Terms, due_s: float, *, for_makespan: bool
) -> Fractional | None:
    late = (
        cells.longest_s > (cells.end * due_s)[:, None]
        if terms.own_deadlines
        else (cells.longest_s > due_s)
    )
    c, k = np.nonzero(cells.allowed & ~late)
    if len(np.unique(c)) < len(cells.size):
        return None
    energy, seconds = cells.energy_j[c, k], cells.seconds[c, k]
    watts = terms.idle_watts if terms.idle_watts is not None else np.zeros(len(pooling.count))
    joules = np.append(energy - watts[pooling.pool_of[k]] * seconds, float(watts @ pooling.count))
    score = np.append(pooling.quality[k] * cells.tokens[c], 0.0)
    cost = terms.energy_price * joules - terms.quality_price * score
    if for_makespan:
        cost = np.append(np.zeros(len(c)), 1.0)
    rows = _Rows(len(c) + 1)
    _pools(rows, cells, pooling, terms, (c, k), due_s if not for_makespan else None)
    for columns, least, most in terms.counts:
        rows.add(np.append(np.isin(k, columns).astype(float), 0.0), least, most)
    if terms.cap_j is not None:
        rows.add(joules, -np.inf, terms.cap_j)
    result = _run(rows, c, cells, cost)
    if result.x is None:
        return None
    counts = np.zeros(cells.energy_j.shape)
    counts[c, k] = result.x[:-1]
    used = float(joules @ result.x)
    value = float((terms.energy_price * joules - terms.quality_price * score) @ result.x)
    return Fractional(counts, float(result.x[-1]), used, value)


def _pools(
    rows: _Rows,
    cells: Cells,
    pooling: Pooling,
    terms: Terms,
    pairs: tuple[IntArray, IntArray],
    due_s: float | None,
) -> None:
    """Work due by each deadline fits in each pool's devices before it; T covers all work."""
    c, k = pairs
    seconds = cells.seconds[c, k]
    ends = np.unique(cells.end) if terms.own_deadlines else np.array([1.0])
    for pool, count in enumerate(pooling.count.tolist()):
        here = np.append((pooling.pool_of[k] == pool) * seconds, 0.0)
        whole = here.copy()
        whole[-1] = -count
        rows.add(whole, -np.inf, 0.0)
        for end in ends[ends < 1.0].tolist():
            due = here * np.append(cells.end[c] <= end, 0.0)
            if due_s is None:
                due[-1] = -count * end
            if due_s is None or np.isfinite(due_s):
                rows.add(due, -np.inf, 0.0 if due_s is None else count * end * due_s)
    if due_s is not None and np.isfinite(due_s):
        rows.add(np.append(np.zeros(len(c)), 1.0), 0.0, due_s)


def _run(rows: _Rows, c: IntArray, cells: Cells, cost: FloatArray) -> OptimizeResult:
    width = rows.width
    whole = csr_array((np.ones(len(c)), (c, np.arange(len(c)))), shape=(len(cells.size), width))
    constraints = [
        LinearConstraint(whole, cells.size, cells.size),
        LinearConstraint(csr_array(np.array(rows.data)), np.array(rows.low), np.array(rows.high)),
    ]
    return milp(
        cost / (float(np.abs(cost).max()) or 1.0),
        constraints=constraints,
        integrality=np.append(np.full(width - 1, float(cells.whole)), 0.0),
        options={"time_limit": MIP_SECONDS, "mip_rel_gap": MIP_GAP},
    )


def _labels(group: IntArray, workload: Workload) -> IntArray:
    label = group.astype(np.int64)
    for counts, bins in zip((workload.input_tokens, workload.output_tokens), BINS, strict=True):
        edges = np.quantile(counts, np.linspace(0.0, 1.0, bins + 1)[1:-1])
        label = label * bins + np.searchsorted(edges, counts, side="right")
    return np.unique(label, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _mean(values: FloatArray, labels: IntArray, size: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(labels, weights=values, minlength=len(size)) / size)


def _longest(values: FloatArray, labels: IntArray, cells: int) -> FloatArray:
    longest = np.zeros(cells)
    np.maximum.at(longest, labels, values)
    return longest
