"""The linear relaxation of many cells, a few columns at a time.

At an optimum each cell uses few placements. So the programme begins with those that look best at
the prices of a coarser relaxation and takes more in as long as one would lower the cost.
"""

from __future__ import annotations

import numpy as np

from costmodel.arrays import BoolArray, FloatArray
from service.planning.bounds.assignment_problem import AssignmentProblem
from service.planning.bounds.cells import COARSE_PAIRS, Cells
from service.planning.bounds.elastic import elastic, exceeds, without_excess
from service.planning.bounds.linear import LinearSolution, solve_linear
from service.planning.bounds.reduced_costs import ReducedCosts
from service.planning.clock import Deadline

ROUNDS = 8
BEST = 3
"""Placements of a cell that look best and are in from the start."""
ADDED = 2
"""Placements of a cell that a round takes in at most."""
ENOUGH = 1e-5
"""Share of the cost that a round must promise to gain."""


def solve_cells(
    problem: AssignmentProblem,
    cells: Cells,
    deadline: Deadline,
    earlier: LinearSolution | None = None,
) -> LinearSolution | None:
    """Solve the relaxation over cells; None where it is infeasible or time ran out.

    Parameters
    ----------
    problem
        Over the cells.
    earlier
        Optimum over the parents of the cells; found first where left out.
    """
    if int(problem.allowed.sum()) <= COARSE_PAIRS or cells.parents is None:
        return solve_linear(problem, deadline)
    if earlier is None:
        coarse = elastic(problem.aggregate(cells.parents, cells.parent_count))
        earlier = solve_linear(coarse, deadline)
    if earlier is None:
        return None
    # With what its coarser cell uses, every cell can do as that did: no row is exceeded by more.
    pairs = earlier.counts[cells.parents] > 0.0
    return _sift(problem, pairs, earlier.multipliers, deadline)


def _sift(
    problem: AssignmentProblem, pairs: BoolArray, start: FloatArray, deadline: Deadline
) -> LinearSolution | None:
    pairs = (pairs | _lowest(ReducedCosts(problem, start).of(slice(None)), BEST)) & problem.allowed
    best: LinearSolution | None = None
    loose = elastic(problem)
    for _ in range(ROUNDS):
        found = solve_linear(loose, deadline, pairs)
        if found is None:
            break
        best = found
        reduced = ReducedCosts(problem, found.multipliers).of(slice(None))
        least = np.where(pairs, reduced, np.inf).min(axis=1)
        gain = float((least - reduced.min(axis=1)) @ problem.sizes)
        scale = float(np.abs(np.where(pairs, problem.cost, 0.0)).max(axis=1) @ problem.sizes)
        if gain <= ENOUGH * scale and (gain == 0.0 or not exceeds(found)):
            break
        pairs |= _lowest(np.where(reduced < least[:, None], reduced, np.inf), ADDED)
    return None if best is None or exceeds(best) else without_excess(best)


def _lowest(values: FloatArray, most: int) -> BoolArray:
    """Mark the `most` lowest finite values of each row."""
    if values.shape[1] <= most:
        return np.isfinite(values)
    edge = np.partition(values, most - 1, axis=1)[:, most - 1]
    return np.asarray(np.isfinite(values) & (values <= edge[:, None]))
