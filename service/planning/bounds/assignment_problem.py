"""An assignment problem as arrays: costs, linear rows, and a few variables beside the assignment.

    minimise    sum_ik cost[i, k] x[i, k] + sum_v v.cost z_v + constant
    subject to  sum_k x[i, k] = size[i]                                       for every i
                sum_ik row[i, k] x[i, k] + sum_v row.variables[v] z_v <= row.bound   for every row
                x[i, k] > 0 only where allowed, and only if z_v >= 1 for a link (k, v),
                and only if z_v >= value[i] for a peak (k, v)
                v.lower <= z_v <= v.upper

``i`` is a request (size 1) or a cell of similar requests (size its number of members).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Row:
    """One linear constraint, ``<= bound``.

    Attributes
    ----------
    values
        Coefficients, broadcastable to (n, k).
    columns
        Factor of each placement, shape (k,); 0 where the row does not see it.
    members
        Requests that the row sees, shape (n,); None for all.
    """

    name: str
    values: FloatArray
    columns: FloatArray
    bound: float
    members: BoolArray | None = None
    variables: Mapping[str, float] = field(default_factory=dict)

    def coefficients(self) -> FloatArray:
        """All coefficients, broadcastable to (n, k)."""
        product = self.values * self.columns[None, :]
        return product if self.members is None else product * self.members[:, None]

    def at(self, requests: IntArray, placement: IntArray) -> FloatArray:
        """Coefficients of some requests, each on one placement, shape (m,)."""
        values = self.values[requests if self.values.shape[0] > 1 else np.zeros_like(requests)]
        columns = placement if values.shape[1] > 1 else np.zeros_like(placement)
        found = values[np.arange(len(requests)), columns] * self.columns[placement]
        return found if self.members is None else found * self.members[requests]

    def take(self, indices: IntArray) -> Row:
        """Return the row over some of the requests, its bound unchanged."""
        values = self.values if self.values.shape[0] == 1 else self.values[indices]
        members = None if self.members is None else self.members[indices]
        return replace(self, values=values, members=members)


@dataclass(frozen=True)
class Variable:
    """A variable beside the assignment, in a box."""

    name: str
    lower: float
    upper: float
    cost: float = 0.0
    integer: bool = False


@dataclass(frozen=True)
class Link:
    """Ensures that the placements of `columns` are used only where `variable` is at least 1."""

    columns: IntArray
    variable: str


@dataclass(frozen=True)
class Peak:
    """Ensures that `variable` is at least the value of every request on placement `column`."""

    column: int
    variable: str
    values: FloatArray


@dataclass(frozen=True)
class AssignmentProblem:
    """See the formulation at the head of this module.

    Attributes
    ----------
    cost
        Shape (n, k); what stands where `allowed` is False is ignored.
    size
        Shape (n,); None for ones.
    """

    cost: FloatArray
    allowed: BoolArray
    rows: tuple[Row, ...] = ()
    variables: tuple[Variable, ...] = ()
    links: tuple[Link, ...] = ()
    peaks: tuple[Peak, ...] = ()
    constant: float = 0.0
    size: IntArray | None = None

    @property
    def sizes(self) -> IntArray:
        """Members of each row of the assignment, shape (n,)."""
        if self.size is None:
            return np.ones(self.cost.shape[0], dtype=np.int64)
        return self.size

    def row_coefficients(self) -> list[FloatArray]:
        """Coefficients of each row, each of full shape (n, k)."""
        return [np.broadcast_to(row.coefficients(), self.cost.shape) for row in self.rows]

    def aggregate(self, labels: IntArray, cells: int) -> AssignmentProblem:
        """Return the problem of cells, each with the mean coefficients of its members.

        A cell plan costs exactly what an even split of the cells' members costs. Members of one
        cell must have the same allowed placements.
        """
        size = np.bincount(labels, minlength=cells)
        first = np.zeros(cells, dtype=np.int64)
        first[labels[::-1]] = np.arange(len(labels))[::-1]
        columns = np.ones(self.cost.shape[1])
        rows = tuple(
            replace(row, values=_cell_means(c, labels, size), columns=columns, members=None)
            for row, c in zip(self.rows, self.row_coefficients(), strict=True)
        )
        cost = np.where(self.allowed, self.cost, 0.0)
        return replace(
            self,
            cost=_cell_means(cost, labels, size),
            allowed=self.allowed[first],
            rows=rows,
            peaks=(),
            size=size.astype(np.int64),
        )


def _cell_means(values: FloatArray, labels: IntArray, size: IntArray) -> FloatArray:
    sums = [
        np.bincount(labels, weights=values[:, k], minlength=len(size))
        for k in range(values.shape[1])
    ]
    return np.stack(sums, axis=1) / size[:, None]
