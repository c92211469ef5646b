"""Greedy repair of an assignment whose rows are slightly broken by rounding."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.quantities import Counted
from planner.search.row_moves import EXCESS_TOLERANCE, RowMoves
from planner.solvers.assignment_problem import AssignmentProblem

MAX_REPAIR_MOVES = 2_000
MIN_GAIN_SHARE = 1e-12
"""Share of all excess that is not worth a move: no more than what sums are rounded by."""


def greedy_repair(
    problem: AssignmentProblem, placement: IntArray, variables: dict[Counted, float]
) -> IntArray:
    """Move requests, cheapest for what it mends first, until every row holds or none helps.

    Starts from a placement (n,), which is copied. Variables beside the assignment are taken as they
    are where they use up a row, and are free to rise where they make room in it.
    """
    placement = placement.copy()
    if not problem.rows:
        return placement
    rows = [problem.coefficients(row) for row in problem.rows]
    upper = {v.counts: v.upper for v in problem.variables}
    room = np.array(
        [
            row.bound
            - sum(c * (variables[v] if c > 0.0 else upper[v]) for v, c in row.variables.items())
            for row in problem.rows
        ]
    )
    units = np.array([max(np.abs(row.values).max(initial=0.0), 1e-300) for row in rows])
    moves = RowMoves(rows, problem.k, placement, room, units, _over)
    for _ in range(MAX_REPAIR_MOVES):
        if (moves.excess <= EXCESS_TOLERANCE * np.abs(room / units)).all():
            break
        move = _best_move(problem, moves)
        if move is None:
            break
        moves.take(*move)
    return placement


def _over(excess: FloatArray, _: IntArray) -> FloatArray:
    """Penalty of an excess: itself."""
    return np.maximum(excess, 0.0)


def _best_move(problem: AssignmentProblem, moves: RowMoves) -> tuple[int, int] | None:
    """Return the move that lowers the total excess most for what it costs."""
    rows = np.arange(problem.n)
    now = moves.now
    gain, minimum = np.where(problem.allowed, now - moves.after(), -np.inf), MIN_GAIN_SHARE * now
    if gain.max() <= minimum:
        return None
    extra = problem.cost - problem.cost[rows, moves.placement][:, None]
    floor = 1e-6 * float(np.abs(problem.cost[problem.allowed]).mean()) + 1e-300
    merit = np.where(gain > minimum, gain / np.maximum(extra, floor), -np.inf)
    i, k = np.unravel_index(int(merit.argmax()), merit.shape)
    return int(i), int(k)
