"""Rounded requests moved by one or two until the rows hold and no such move saves any more."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.bounds.activity import at_variables
from planner.quantities import Counted
from planner.search.row_moves import EXCESS_TOLERANCE, RowMoves
from planner.solvers.assignment_problem import AssignmentProblem

MAX_SEARCH_MOVES = 600
MAX_PAIRED_MOVES = 200_000
"""(row, move, move) triples that are looked at where no move helps alone."""
FIRST_PENALTY = 0.02
"""What an excess of a mean request costs at first, in prices of the row."""
PENALTY_GROWTH = 2.5
"""Times by which excess gets dearer where rows are still exceeded and no move helps."""
MAX_PENALTY_RISES = 12


def penalty_local_search(
    problem: AssignmentProblem,
    placement: IntArray,
    variables: dict[Counted, float],
    prices: FloatArray,
) -> IntArray:
    """Move the requests that lower cost and penalties most, until none do and all rows hold.

    Requests cost what they do with the rows priced in, and room in a priced row costs its price.
    Excess costs little at first and more and more, by its square in mean requests: so moves that
    are nearly free carry it on to where there is room before dear ones are made.

    Starts from a placement (n,), which is copied. Variables beside the assignment stay as they are;
    `prices` are those of the rows at the relaxation's optimum, (rows,). Rows may still be exceeded
    where nothing helped.
    """
    if not problem.rows:
        return placement.copy()
    return _PenaltySearch(problem, placement.copy(), variables, prices).run()


class _PenaltySearch:
    """The state of a penalty local search; rows are counted in their mean requests."""

    def __init__(
        self,
        problem: AssignmentProblem,
        placement: IntArray,
        variables: dict[Counted, float],
        prices: FloatArray,
    ) -> None:
        rows = [problem.coefficients(row) for row in problem.rows]
        units = np.array([_mean_request(row.values) for row in rows])
        room = np.array([row.bound - at_variables(row, variables) for row in problem.rows])
        bounds = np.array([row.bound for row in problem.rows])
        self.tolerance = EXCESS_TOLERANCE * np.abs(bounds) / units
        self.typical = float(np.abs(problem.cost[problem.allowed]).mean())
        self.prices = prices * units
        self.weight = FIRST_PENALTY * np.maximum(self.prices, 1e-2 * self.typical)
        priced = problem.cost.copy()
        for price, row in zip(prices.tolist(), rows, strict=True):
            priced[:, row.columns] += price * row.values
        self.cost = np.where(problem.allowed, priced, np.inf)
        requests = np.arange(len(placement))
        self.extra = self.cost - self.cost[requests, placement][:, None]
        self.extra[requests, placement] = np.inf
        self.moves = RowMoves(rows, problem.k, placement, room, units, self._penalty)

    def run(self) -> IntArray:
        """Return the placements found."""
        rises = 0
        for _ in range(MAX_SEARCH_MOVES):
            if self._moved():
                continue
            exceeded = self.moves.excess > self.tolerance
            if rises == MAX_PENALTY_RISES or not exceeded.any():
                break
            self.weight = np.where(exceeded, PENALTY_GROWTH, 1.0) * self.weight
            self.moves.price(np.flatnonzero(exceeded))
            rises += 1
        return self.moves.placement

    def _moved(self) -> bool:
        """Make the best move, of two requests where no single one helps."""
        minimum, before = EXCESS_TOLERANCE * self.typical, self.moves.now
        saved = before - self.moves.after() - self.extra
        if saved.max() > minimum:
            i, k = np.unravel_index(int(saved.argmax()), saved.shape)
            self._take(int(i), int(k))
            return True
        position = self._worth_pairing(saved)
        i, k = position // saved.shape[1], position % saved.shape[1]
        steps, extra = self.moves.steps(i, k), self.extra[i, k]
        excess = self.moves.excess[:, None, None]
        together = excess + steps[:, :, None] + steps[:, None, :]
        penalty = self._penalty(together, np.arange(len(together))).sum(axis=0)
        both = before - penalty - extra[:, None] - extra[None, :]
        both[i[:, None] == i[None, :]] = -np.inf
        if both.max(initial=-np.inf) <= minimum:
            return False
        for move in np.unravel_index(int(both.argmax()), both.shape):
            self._take(int(i[move]), int(k[move]))
        return True

    def _worth_pairing(self, saved: FloatArray) -> IntArray:
        """Positions of the moves that save most alone and of those that cost least."""
        maximum = int((MAX_PAIRED_MOVES / len(self.prices)) ** 0.5) // 2
        chosen = np.union1d(_lowest(-saved, maximum), _lowest(self.extra, maximum))
        return np.asarray(chosen[np.isfinite(saved.ravel()[chosen])])

    def _take(self, i: int, k: int) -> None:
        self.moves.take(i, k)
        self.extra[i] = self.cost[i] - self.cost[i, k]
        self.extra[i, k] = np.inf

    def _penalty(self, excess: FloatArray, rows: IntArray) -> FloatArray:
        """What excesses of some rows cost, and room where a row has a price, (m, ...)."""
        shape = (-1,) + (1,) * (excess.ndim - 1)
        weight, price = self.weight[rows].reshape(shape), self.prices[rows].reshape(shape)
        over = np.maximum(excess, 0.0)
        return np.asarray(weight * over * (1.0 + over) + price * (over - excess))


def _mean_request(row: FloatArray) -> float:
    """Mean of what a request uses of a row at most, of those that use any."""
    maximum = np.abs(row).max(axis=1, initial=0.0)
    return float(maximum[maximum > 0.0].mean()) if maximum.any() else 1.0


def _lowest(values: FloatArray, maximum: int) -> IntArray:
    flat: FloatArray = values.ravel()
    return np.asarray(np.argpartition(flat, min(maximum, len(flat) - 1))[:maximum])
