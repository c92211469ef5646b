"""Greedy repair of an assignment whose rows are slightly broken by rounding."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from service.planning.bounds.assignment_problem import AssignmentProblem

MOST_MOVES = 2_000
TOLERANCE = 1e-12


def repair(
    problem: AssignmentProblem, placement: IntArray, variables: dict[str, float]
) -> IntArray:
    """Move requests, cheapest for what it mends first, until every row holds or none helps.

    Parameters
    ----------
    placement
        Start, shape (n,).
    variables
        Values of the variables beside the assignment: taken as they are where they use up a row,
        free to rise where they make room in it.

    Returns
    -------
    IntArray
        Shape (n,); a copy.
    """
    placement = placement.copy()
    if not problem.rows:
        return placement
    rows = np.arange(len(placement))
    coefficients = np.stack([problem.coefficients(row) for row in problem.rows])
    upper = {v.name: v.upper for v in problem.variables}
    bounds = np.array(
        [
            row.bound
            - sum(c * (variables[v] if c > 0.0 else upper[v]) for v, c in row.variables.items())
            for row in problem.rows
        ]
    )
    scales = np.maximum(np.abs(coefficients).max(axis=(1, 2)), 1e-300)
    activity = coefficients[:, rows, placement].sum(axis=1)
    for _ in range(MOST_MOVES):
        excess = (activity - bounds) / scales
        if (excess <= TOLERANCE * np.abs(bounds / scales)).all():
            break
        move = _best_move(problem, coefficients, placement, excess, scales)
        if move is None:
            break
        i, k = move
        activity += coefficients[:, i, k] - coefficients[:, i, placement[i]]
        placement[i] = k
    return placement


def _best_move(
    problem: AssignmentProblem,
    coefficients: FloatArray,
    placement: IntArray,
    excess: FloatArray,
    scales: FloatArray,
) -> tuple[int, int] | None:
    """Return the move that lowers the total excess most for what it costs."""
    rows = np.arange(len(placement))
    total = np.maximum(excess, 0.0).sum()
    after = np.zeros(problem.cost.shape)
    for r, now in enumerate(excess.tolist()):
        change = (coefficients[r] - coefficients[r, rows, placement][:, None]) / scales[r]
        after += np.maximum(now + change, 0.0)
    gain = np.where(problem.allowed, total - after, -np.inf)
    if gain.max() <= 1e-15:
        return None
    extra = problem.cost - problem.cost[rows, placement][:, None]
    floor = 1e-6 * float(np.abs(problem.cost[problem.allowed]).mean()) + 1e-300
    merit = np.where(gain > 1e-15, gain / np.maximum(extra, floor), -np.inf)
    i, k = np.unravel_index(int(merit.argmax()), merit.shape)
    return int(i), int(k)
