"""An assignment problem as arrays: costs, linear rows, and a few variables beside the assignment.

    minimise    sum_ik cost[i, k] x[i, k] + sum_v v.cost z_v + constant
    subject to  sum_k x[i, k] = size[i]                                       for every i
                sum_ik row[i, k] x[i, k] + sum_v row.variables[v] z_v <= row.bound   for every row
                x[i, k] > 0 only where allowed, and only if z_v >= 1 for a link (k, v),
                and only if z_v >= value[i] for a longest-job term (k, v)
                v.lower <= z_v <= v.upper

Rows see requests by their class at most: ``row[i, k] = values[i, k] factors[row_class[i], k]``.
``i`` is a request (size 1) or an aggregate of similar requests (size its number of members).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from planner.quantities import Counted, Limited, PoolTime


@dataclass(frozen=True)
class Row:
    """One linear constraint, ``<= bound``.

    Attributes
    ----------
    limits
        What the row limits. Two rows of a problem may limit the same; positions distinguish them.
    values
        Coefficients, broadcastable to (n, k). Rows about the same quantity share one array, so
        that it is read once for all of them.
    columns
        Factor of each placement, shape (k,); 0 where the row does not see it.
    classes
        Classes of requests that the row sees, shape (C,); None for all.
    """

    limits: Limited
    values: FloatArray
    columns: FloatArray
    bound: float
    classes: BoolArray | None = None
    variables: Mapping[Counted, float] = field(default_factory=dict)

    @property
    def pool(self) -> int | None:
        """The pool whose device-seconds it counts; None where it counts something else."""
        return self.limits.pool if isinstance(self.limits, PoolTime) else None

    def factors(self, classes: int) -> FloatArray:
        """Factor of each placement for the requests of each class, shape (C, k)."""
        seen = np.ones(classes) if self.classes is None else self.classes
        return np.asarray(seen[:, None] * self.columns[None, :])


@dataclass(frozen=True)
class Coefficients:
    """What one row has in each request and placement, where that is not 0.

    A batch over many pools has many rows that see a few placements each, so an array of all rows,
    requests and placements would hold almost nothing but zeros. `columns`, (c,), are the placements
    that the row sees, rising, `values`, (n, c), its coefficients there.
    """

    columns: IntArray
    values: FloatArray

    def over(self, k: int) -> FloatArray:
        """Return the coefficients on all k placements, shape (n, k): for few requests."""
        found = np.zeros((len(self.values), k))
        found[:, self.columns] = self.values
        return found


@dataclass(frozen=True)
class Variable:
    """A variable beside the assignment, in a box; what it counts identifies it."""

    counts: Counted
    lower: float
    upper: float
    cost: float = 0.0
    integer: bool = False


@dataclass(frozen=True)
class Link:
    """Ensures that the placements of `columns` are used only where `variable` is at least 1."""

    columns: IntArray
    variable: Counted


@dataclass(frozen=True)
class LongestJob:
    """Ensures that `variable` is at least the value of every request on placement `column`."""

    column: int
    variable: Counted
    values: FloatArray


@dataclass(frozen=True)
class AssignmentProblem:
    """See the formulation at the head of this module.

    What stands in `cost`, (n, k), where `allowed` is False is ignored. `size`, (n,), is None for
    ones. `row_class`, (n,), is the class of each request, from 0 to one less than the number of
    classes that rows distinguish; None where no row does.
    """

    cost: FloatArray
    allowed: BoolArray
    rows: tuple[Row, ...] = ()
    variables: tuple[Variable, ...] = ()
    links: tuple[Link, ...] = ()
    longest_jobs: tuple[LongestJob, ...] = ()
    constant: float = 0.0
    size: IntArray | None = None
    row_class: IntArray | None = None

    @property
    def n(self) -> int:
        """Number of requests, or aggregates."""
        return int(self.cost.shape[0])

    @property
    def k(self) -> int:
        """Number of placements."""
        return int(self.cost.shape[1])

    @property
    def class_count(self) -> int:
        """Number of classes that rows distinguish, at least 1."""
        return next((len(row.classes) for row in self.rows if row.classes is not None), 1)

    @property
    def class_labels(self) -> IntArray:
        """Class of each request, shape (n,); 0 for all where no row distinguishes them."""
        if self.row_class is None or self.class_count == 1:
            return np.zeros(self.n, dtype=np.int64)
        return self.row_class

    @property
    def sizes(self) -> IntArray:
        """Members of each row of the assignment, shape (n,)."""
        if self.size is None:
            return np.ones(self.cost.shape[0], dtype=np.int64)
        return self.size

    def min_of_variables(self, row: Row) -> float:
        """Least that the variables beside the assignment can add to a row, each at its best end."""
        box = {v.counts: (v.lower, v.upper) for v in self.variables}
        return sum(min(c * box[v][0], c * box[v][1]) for v, c in row.variables.items())

    def coefficients(self, row: Row) -> Coefficients:
        """All coefficients of a row, on the columns that it sees."""
        factors = row.factors(self.class_count)
        columns = np.flatnonzero(factors.any(axis=0))
        values = row.values if row.values.shape[1] == 1 else row.values[:, columns]
        seen = factors[self.class_labels if len(factors) > 1 else [0]][:, columns]
        return Coefficients(columns, np.broadcast_to(values * seen, (self.n, len(columns))))

    def coefficients_at(self, row: Row, items: IntArray, placements: IntArray) -> FloatArray:
        """Coefficients of a row in some pairs, shape (m,)."""
        found = np.zeros(len(items))
        seen = np.flatnonzero(row.columns[placements])
        i, k = items[seen], placements[seen]
        found[seen] = np.broadcast_to(row.values, self.cost.shape)[i, k] * row.columns[k]
        if row.classes is not None:
            found[seen] *= row.classes[self.class_labels[i]]
        return found

    def take(self, indices: IntArray) -> AssignmentProblem:
        """Return the problem of some of the requests, bounds unchanged."""
        shared: dict[int, FloatArray] = {}
        return replace(
            self,
            cost=self.cost[indices],
            allowed=self.allowed[indices],
            rows=tuple(
                replace(row, values=_once(shared, row.values, lambda v: v[indices]))
                for row in self.rows
            ),
            longest_jobs=tuple(
                replace(job, values=job.values[indices]) for job in self.longest_jobs
            ),
            size=None if self.size is None else self.size[indices],
            row_class=None if self.row_class is None else self.row_class[indices],
        )

    def aggregate(self, labels: IntArray, count: int) -> AssignmentProblem:
        """Return the problem of aggregates, each with the mean coefficients of its members.

        A plan of aggregates costs exactly what an even split of their members costs. Members of one
        aggregate must have the same allowed placements and row class.
        """
        size = np.bincount(labels, weights=self.size, minlength=count).astype(float)
        first = np.zeros(count, dtype=np.int64)
        first[labels[::-1]] = np.arange(len(labels) - 1, -1, -1)
        shared: dict[int, FloatArray] = {}

        def means(values: FloatArray) -> FloatArray:
            return aggregate_means(values, labels, size, self.size)

        return replace(
            self,
            cost=means(self.cost),
            allowed=self.allowed[first],
            rows=tuple(replace(row, values=_once(shared, row.values, means)) for row in self.rows),
            longest_jobs=(),
            size=size.astype(np.int64),
            row_class=None if self.row_class is None else self.row_class[first],
        )


def _once(
    done: dict[int, FloatArray], values: FloatArray, change: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Change an array that several rows share once; one that is alike for all stays as it is."""
    if values.shape[0] == 1:
        return values
    if id(values) not in done:
        done[id(values)] = change(values)
    return done[id(values)]


def aggregate_means(
    values: FloatArray, labels: IntArray, size: FloatArray, sizes: IntArray | None = None
) -> FloatArray:
    """Mean of each column of values (n, k) over the members of each aggregate, (aggregates, k).

    `labels` are the aggregates of the rows, (n,), `size` the weight of each aggregate and `sizes`
    that of each row, None for ones.
    """
    if len(size) == 1 and sizes is None:
        return np.asarray(values.mean(axis=0, keepdims=True))
    means = np.empty((len(size), values.shape[1]), order="F")
    for k in range(values.shape[1]):
        weights = values[:, k] if sizes is None else values[:, k] * sizes
        means[:, k] = np.bincount(labels, weights=weights, minlength=len(size)) / size
    return means
