"""The linear relaxation of many aggregates, a few columns at a time.

At an optimum each aggregate uses few placements. So the programme begins with those that look best
at the prices of a coarser relaxation and takes more in as long as one would lower the cost. Its
rows may be exceeded at a price, so that it has an optimum over some columns, too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from costmodel.arrays import BoolArray, FloatArray
from planner.bounds.aggregates import COARSE_PAIRS, Aggregates
from planner.bounds.reduced_costs import ReducedCosts
from planner.quantities import Counted, Excess
from planner.solvers.assignment_problem import AssignmentProblem, Row, Variable
from planner.solvers.linear import LinearSolution, solve_linear
from planner.time_budget import TimeBudget

EXCESS_PENALTY = 200.0
"""Times the dearest cost that an excess by the largest coefficient costs."""
ELASTIC_TOLERANCE = 1e-7
"""Excess, in largest coefficients, that is one."""
SIFTING_ROUNDS = 8
NEAREST_PAIRS = 600
"""Pairs beside each aggregate's best that a round takes in: those that look nearest to it."""
MIN_SIFTING_GAIN = 1e-5
"""Share of the cost that a round must promise to gain."""


def solve_aggregated(
    problem: AssignmentProblem,
    aggregates: Aggregates,
    budget: TimeBudget,
    earlier: LinearSolution | None = None,
) -> LinearSolution | None:
    """Solve the relaxation over aggregates; None where it is infeasible or time ran out.

    `earlier` is the optimum over the parents of the aggregates; it is found first where left out.
    """
    if int(problem.allowed.sum()) <= COARSE_PAIRS or aggregates.parents is None:
        return solve_linear(problem, budget)
    if earlier is None:
        coarse = elastic(problem.aggregate(aggregates.parents, aggregates.parent_count))
        earlier = solve_linear(coarse, budget)
    if earlier is None:
        return None
    # With the pairs of its coarser aggregate, no aggregate exceeds a row by more than that did.
    pairs = earlier.counts[aggregates.parents] > 0.0
    found = sift(problem, pairs, earlier.multipliers, budget)
    return None if found is None or exceeds_a_row(found) else without_excess(found)


def sift(
    problem: AssignmentProblem,
    pairs: BoolArray,
    start: FloatArray,
    budget: TimeBudget,
    rounds: int = SIFTING_ROUNDS,
) -> LinearSolution | None:
    """Solve a relaxation with elastic rows over the pairs that matter; None where time ran out.

    Most aggregates have one placement that is far better than others at any prices near the
    optimum's: with that pair alone the programme drops them before it begins. `pairs`, (n, k), are
    in from the start, and those that look best at the prices `start`, (rows,). The programme is
    solved `rounds` times at most; with few of them the prices may be slightly off.
    """
    pairs = (pairs | _nearest(ReducedCosts(problem, start).of(slice(None)))) & problem.allowed
    best: LinearSolution | None = None
    loose = elastic(problem)
    for _ in range(rounds):
        found = solve_linear(loose, budget, pairs)
        if found is None:
            break
        best = found
        reduced = ReducedCosts(problem, found.multipliers).of(slice(None))
        minimum = np.where(pairs, reduced, np.inf).min(axis=1)
        gain = float((minimum - reduced.min(axis=1)) @ problem.sizes)
        scale = float(np.abs(np.where(pairs, problem.cost, 0.0)).max(axis=1) @ problem.sizes)
        if gain <= MIN_SIFTING_GAIN * scale and (gain == 0.0 or not exceeds_a_row(found)):
            break
        pairs |= _nearest(np.where(reduced <= minimum[:, None], reduced, np.inf))
    return best


def _nearest(values: FloatArray) -> BoolArray:
    """Mark each row's least value and the `NEAREST_PAIRS` others nearest to their row's least."""
    beyond = values - values.min(axis=1)[:, None]
    beyond[~np.isfinite(values)] = np.inf
    rank = len(values) + NEAREST_PAIRS
    if rank >= beyond.size:
        return np.asarray(np.isfinite(beyond))
    edge = np.partition(beyond, rank, axis=None)[rank]
    return np.asarray(np.isfinite(beyond) & (beyond <= edge))


def elastic(problem: AssignmentProblem) -> AssignmentProblem:
    """Return the problem with a variable for the excess of each row."""
    price = EXCESS_PENALTY * _dearest(problem)
    maximum = float(problem.sizes.sum())
    rows, variables = list[Row](), list(problem.variables)
    for r, row in enumerate(problem.rows):
        unit = _largest(row)
        if unit == 0.0:
            rows.append(row)
            continue
        rows.append(replace(row, variables={**row.variables, Excess(r): -unit}))
        variables.append(Variable(Excess(r), 0.0, maximum, price))
    return replace(problem, rows=tuple(rows), variables=tuple(variables))


def _dearest(problem: AssignmentProblem) -> float:
    """Return the dearest cost of a request, or of what it asks of a variable."""
    costs = {v.counts: abs(v.cost) for v in problem.variables}
    asked = [
        costs[counted] * _largest(row) / -coefficient
        for row in problem.rows
        for counted, coefficient in row.variables.items()
        if coefficient < 0.0
    ]
    return max([float(np.abs(problem.cost).max(initial=0.0)), *asked]) or 1.0


def _largest(row: Row) -> float:
    return float((np.abs(row.values).max(axis=0) * np.abs(row.columns)).max(initial=0.0))


def exceeds_a_row(solution: LinearSolution) -> bool:
    """Whether some row is exceeded in a solution of an elastic problem."""
    found = solution.variables.items()
    return any(value > ELASTIC_TOLERANCE for counted, value in found if isinstance(counted, Excess))


def without_excess(solution: LinearSolution) -> LinearSolution:
    """Return the solution without its excess variables."""
    found = solution.variables
    kept: dict[Counted, float] = {c: v for c, v in found.items() if not isinstance(c, Excess)}
    return replace(solution, variables=kept)
