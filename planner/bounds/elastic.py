"""Rows that may be exceeded at a price, so that a programme over some columns has an optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.quantities import Counted, Excess
from planner.solvers.assignment_problem import AssignmentProblem, Row, Variable
from planner.solvers.linear import LinearSolution

EXCESS_PENALTY = 200.0
"""Times the dearest cost that an excess by the largest coefficient costs."""
ELASTIC_TOLERANCE = 1e-7
"""Excess, in largest coefficients, that is one."""


def elastic(problem: AssignmentProblem) -> AssignmentProblem:
    """Return the problem with a variable for the excess of each row."""
    price = EXCESS_PENALTY * _dearest(problem)
    most = float(problem.sizes.sum())
    rows, variables = list[Row](), list(problem.variables)
    for r, row in enumerate(problem.rows):
        unit = _largest(row)
        if unit == 0.0:
            rows.append(row)
            continue
        rows.append(replace(row, variables={**row.variables, Excess(r): -unit}))
        variables.append(Variable(Excess(r), 0.0, most, price))
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


def exceeds(solution: LinearSolution) -> bool:
    """Whether some row is exceeded in a solution of an elastic problem."""
    found = solution.variables.items()
    return any(value > ELASTIC_TOLERANCE for counted, value in found if isinstance(counted, Excess))


def without_excess(solution: LinearSolution) -> LinearSolution:
    """Return the solution without its excess variables."""
    found = solution.variables
    kept: dict[Counted, float] = {c: v for c, v in found.items() if not isinstance(c, Excess)}
    return replace(solution, variables=kept)
