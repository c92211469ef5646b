"""The fractional problem behind an instance, written out once more and solved by SciPy's HiGHS.

It places the limits of an instance: how small a deadline can be, how few joules suffice. Nothing
of the planner is in here.

    y[c, k] >= 0  members of cell c on placement k,     sum_k y[c, k] = size[c]
    pool p:       sum seconds y <= count[p] T           T <= deadline
                  sum seconds y <= count[p] d           over what is due by d, for each own deadline
    LLM l:        least[l] <= sum y <= most[l]
    joules:       sum energy y + idle <= cap            idle = sum_p watts[p] (count[p] T - busy[p])
    minimise      T, or the joules times the price of each pool
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.sparse import csr_array

from benchmarks.scale.cells import Cells
from costmodel.arrays import FloatArray, IntArray

MIP_GAP, MIP_NODES = 5e-3, 500
"""When the search for a whole plan of small batches stops; by no clock, so that it repeats."""
BISECTIONS = 10


Pairs = tuple[IntArray, ...]
"""Cells and placements that may go together, each (pairs,)."""


@dataclass(frozen=True)
class Pooling:
    """Pools of the placements: index (k,); devices, watts that idle, price of a joule (pools,)."""

    pool_of: IntArray
    count: FloatArray
    idle_watts: FloatArray
    price: FloatArray


@dataclass(frozen=True)
class FractionalLimits:
    """What is asked of a fractional plan; None or empty where there is no such limit.

    Attributes
    ----------
    deadline_s
        Deadline of the batch [s].
    own_s
        What the cells' `end` is a share of [s]; None where no request has a deadline of its own.
    counts
        For each LLM its columns, its least and its most requests.
    cap_j
        Most joules.
    """

    deadline_s: float | None = None
    own_s: float | None = None
    counts: tuple[tuple[IntArray, float, float], ...] = ()
    cap_j: float | None = None


@dataclass(frozen=True)
class Fractional:
    """An optimum: members of each cell on each placement (c, k), makespan, joules and cost."""

    counts: FloatArray
    makespan_s: float
    energy_j: float
    cost: float


@dataclass
class _GatheredRows:
    """Linear rows gathered before they are solved; the last column is the makespan T."""

    data: list[FloatArray] = field(default_factory=list)
    bound: list[float] = field(default_factory=list)

    def at_most(self, coefficients: FloatArray, bound: float) -> None:
        scale = float(np.abs(coefficients).max()) or 1.0
        self.data.append(coefficients / scale)
        self.bound.append(bound / scale)


def min_deadline_s(cells: Cells, pooling: Pooling, terms: FractionalLimits) -> float:
    """Return the least deadline for which there is a fractional plan [s].

    Own deadlines move with it. Where requests are whole, so is the plan. What takes longer than a
    deadline on a placement cannot be there: the least deadline is where the two agree, found by
    bisection.
    """
    low = high = _least_makespan(cells, pooling, terms, np.inf)
    while (needed := _least_makespan(cells, pooling, terms, high)) > high:
        low, high = high, min(needed, 2.0 * high)
    for _ in range(BISECTIONS if high > low else 0):
        middle = (low * high) ** 0.5
        if _least_makespan(cells, pooling, terms, middle) > middle:
            low = middle
        else:
            high = middle
    if cells.whole and np.isfinite(high):
        return max(high, _least_makespan(cells, pooling, terms, high, whole=True))
    return high


def cheapest(
    cells: Cells, pooling: Pooling, terms: FractionalLimits, *, in_joules: bool = False
) -> Fractional | None:
    """Return the plan of least cost, or of least joules; None where there is none."""
    due = np.full(len(cells.end), np.inf if terms.deadline_s is None else terms.deadline_s)
    if terms.own_s is not None:
        due = np.minimum(due, np.where(cells.end < 1.0, cells.end * terms.own_s, np.inf))
    price = np.ones_like(pooling.price) if in_joules else pooling.price
    pairs = np.nonzero(cells.allowed & (cells.longest_s <= due[:, None]))
    if len(np.unique(pairs[0])) < len(cells.size):
        return None
    rows = _rows(cells, pooling, terms, pairs)
    whole_s = np.append(np.zeros(len(pairs[0])), 1.0)
    if terms.deadline_s is not None:
        rows.at_most(whole_s, terms.deadline_s)
    for end, row in _due_rows(cells, pooling, pairs, terms.own_s is not None):
        rows.at_most(np.append(row[:-1], 0.0), -row[-1] * end * (terms.own_s or 0.0))
    return _solved(cells, pooling, rows, pairs, _joules(cells, pooling, pairs, price))


def _least_makespan(
    cells: Cells, pooling: Pooling, terms: FractionalLimits, due_s: float, *, whole: bool = False
) -> float:
    own = terms.own_s is not None
    due = due_s * (cells.end if own else np.ones_like(cells.end))
    pairs = np.nonzero(cells.allowed & (cells.longest_s <= due[:, None]))
    if len(np.unique(pairs[0])) < len(cells.size):
        return np.inf
    rows = _rows(cells, pooling, replace(terms, cap_j=None), pairs)
    for end, row in _due_rows(cells, pooling, pairs, own):
        rows.at_most(np.append(row[:-1], row[-1] * end), 0.0)
    makespan = np.append(np.zeros(len(pairs[0])), 1.0)
    found = _solved(cells, pooling, rows, pairs, makespan, whole=whole)
    return np.inf if found is None else found.makespan_s


def _rows(cells: Cells, pooling: Pooling, terms: FractionalLimits, pairs: Pairs) -> _GatheredRows:
    """Rows of pools, of LLMs and of the joules."""
    rows = _GatheredRows()
    for _, row in _due_rows(cells, pooling, pairs, own=False, whole=True):
        rows.at_most(row, 0.0)
    for columns, lower, upper in terms.counts:
        seen = np.append(np.isin(pairs[1], columns).astype(float), 0.0)
        rows.at_most(seen, upper)
        rows.at_most(-seen, -lower)
    if terms.cap_j is not None:
        rows.at_most(_joules(cells, pooling, pairs, np.ones_like(pooling.price)), terms.cap_j)
    return rows


def _due_rows(
    cells: Cells,
    pooling: Pooling,
    pairs: Pairs,
    own: bool,
    *,
    whole: bool = False,
) -> Iterable[tuple[float, FloatArray]]:
    """For each deadline and pool, what is due by then, less the pool's devices times T."""
    c, k = pairs
    ends = np.unique(cells.end[cells.end < 1.0]).tolist() if own else []
    for end in [*ends, *([1.0] if whole else [])]:
        seconds = cells.seconds[c, k] * (cells.end[c] <= end)
        for pool, count in enumerate(pooling.count.tolist()):
            yield end, np.append((pooling.pool_of[k] == pool) * seconds, -count)


def _joules(cells: Cells, pooling: Pooling, pairs: Pairs, price: FloatArray) -> FloatArray:
    """Joules of each pair and of a second of makespan, times the price of a joule of the pool."""
    c, k = pairs
    pool, watts = pooling.pool_of[k], pooling.idle_watts
    of_pairs = price[pool] * (cells.energy_j[c, k] - watts[pool] * cells.seconds[c, k])
    return np.append(of_pairs, float((price * watts) @ pooling.count))


def _solved(
    cells: Cells,
    pooling: Pooling,
    rows: _GatheredRows,
    pairs: Pairs,
    cost: FloatArray,
    *,
    whole: bool = False,
) -> Fractional | None:
    x = _run(rows, pairs[0], cells, cost, whole=whole)
    if x is None:
        return None
    counts = np.zeros(cells.energy_j.shape)
    counts[pairs] = x[:-1]
    joules = _joules(cells, pooling, pairs, np.ones_like(pooling.price))
    return Fractional(counts, float(x[-1]), float(joules @ x), float(cost @ x))


def _run(
    rows: _GatheredRows, c: IntArray, cells: Cells, cost: FloatArray, *, whole: bool
) -> FloatArray | None:
    width = len(c) + 1
    once = csr_array((np.ones(len(c)), (c, np.arange(len(c)))), shape=(len(cells.size), width))
    data, bound = csr_array(np.array(rows.data)), np.array(rows.bound)
    scaled = cost / (float(np.abs(cost).max()) or 1.0)
    if whole:
        found = milp(
            scaled,
            constraints=[
                LinearConstraint(once, cells.size, cells.size),
                LinearConstraint(data, -np.inf, bound),
            ],
            integrality=np.append(np.ones(width - 1), 0.0),
            options={"node_limit": MIP_NODES, "mip_rel_gap": MIP_GAP},
        )
    else:
        found = linprog(  # type: ignore[call-overload]
            scaled, data, bound, once, cells.size, method="highs-ipm"
        )
    x: FloatArray | None = found.x
    return x
