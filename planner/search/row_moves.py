"""What the rows of an assignment problem come to after each move of one request."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.solvers.assignment_problem import Coefficients

EXCESS_TOLERANCE = 1e-12
"""Excess of a row, as a share of its bound, that is none but for rounding."""
Penalty = Callable[[FloatArray, IntArray], FloatArray]
"""What excesses of some rows cost: excesses (m, ...) and rows (m,) to an array like the first."""


class RowMoves:
    """Penalties of the rows, as they are and after every move, kept up to date from move to move.

    A move changes a row only where the request leaves a placement that the row sees or comes to
    one. So what is kept is an array for each placement that a row sees, not for all k that there
    are.

    `take` changes `placement`, (n,), in place. The assignment may use `room`, (rows,), of each row;
    of each `units`, (rows,), are counted as 1. `excess` is how far each row is exceeded, below 0:
    room, in units, shape (rows,).
    """

    def __init__(
        self,
        rows: Sequence[Coefficients],
        k: int,
        placement: IntArray,
        room: FloatArray,
        units: FloatArray,
        penalty: Penalty,
    ) -> None:
        self.placement, self._penalty = placement, penalty
        self._all = np.arange(len(rows))
        # Entries: each row on each placement that it sees, by placement.
        row = np.repeat(self._all, [len(one.columns) for one in rows])
        column = np.concatenate([one.columns for one in rows])
        order = np.argsort(column, kind="stable")
        self._row, self._column = row[order], column[order]
        values = [one.values.T / unit for one, unit in zip(rows, units.tolist(), strict=True)]
        self._values = np.concatenate(values)[order]
        self._starts = np.searchsorted(self._column, np.arange(k + 1))
        self._used = np.zeros((len(rows), len(placement)))
        entry, request = np.nonzero(self._column[:, None] == placement[None, :])
        self._used[self._row[entry], request] = self._values[entry, request]
        self.excess = self._used.sum(axis=1) - room / units
        self._left, self._come = np.empty_like(self._used), np.empty_like(self._values)
        self.price(self._all)

    @property
    def now(self) -> float:
        """Penalty of all rows as they are."""
        return float(self._penalty(self.excess, self._all).sum())

    def after(self) -> FloatArray:
        """Penalty of all rows after each move, shape (n, k)."""
        found = np.repeat(self._left.sum(axis=0)[None, :], len(self._starts) - 1, axis=0)
        for k in np.unique(self._column).tolist():
            found[k] += self._come[self._there(k)].sum(axis=0)
        return found.T

    def steps(self, requests: IntArray, placements: IntArray) -> FloatArray:
        """What some moves change of every row, in units, shape (rows, m)."""
        found = -self._used[:, requests]
        first, count = self._starts[placements], np.diff(self._starts)[placements]
        move = np.repeat(np.arange(len(requests)), count)
        entry = np.arange(len(move)) + np.repeat(first - np.cumsum(count) + count, count)
        found[self._row[entry], move] += self._values[entry, requests[move]]
        return found

    def take(self, i: int, k: int) -> None:
        """Move request i to placement k."""
        step = self.steps(np.array([i]), np.array([k]))[:, 0]
        changed = np.flatnonzero(step)
        self.excess[changed] += step[changed]
        self.placement[i] = k
        there = self._there(k)
        self._used[:, i] = 0.0
        self._used[self._row[there], i] = self._values[there, i]
        left = self.excess - self._used[:, i]
        self._left[:, i] = self._penalty(left, self._all)
        come = self._penalty(left[self._row] + self._values[:, i], self._row)
        self._come[:, i] = come - self._left[self._row, i]
        self.price(changed)

    def price(self, rows: IntArray) -> None:
        """Work out anew what some rows cost after every move."""
        left = self.excess[rows, None] - self._used[rows]
        self._left[rows] = self._penalty(left, rows)
        seen = np.zeros(len(self._all), dtype=bool)
        seen[rows] = True
        entries = np.flatnonzero(seen[self._row])
        of = self._row[entries]
        come = self.excess[of, None] - self._used[of] + self._values[entries]
        self._come[entries] = self._penalty(come, of) - self._left[of]

    def _there(self, k: int) -> slice:
        """Entries of a placement."""
        return slice(int(self._starts[k]), int(self._starts[k + 1]))
