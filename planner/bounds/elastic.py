"""Rows that may be exceeded at a price, so that a programme over some columns has an optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.solvers.assignment_problem import AssignmentProblem, Row, Variable
from planner.solvers.linear import LinearSolution

PENALTY = 200.0
"""Times the dearest cost that an excess by the largest coefficient costs."""
EXCEEDED = 1e-7
"""Excess, in largest coefficients, that is one."""
NAME = "excess/"


def elastic(problem: AssignmentProblem) -> AssignmentProblem:
    """Return the problem with a variable for the excess of each row."""
    price = PENALTY * _dearest(problem)
    most = float(problem.sizes.sum())
    rows, variables = list[Row](), list(problem.variables)
    for r, row in enumerate(problem.rows):
        unit = _largest(row)
        if unit == 0.0:
            rows.append(row)
            continue
        name = f"{NAME}{r}"
        rows.append(replace(row, variables={**row.variables, name: -unit}))
        variables.append(Variable(name, 0.0, most, price))
    return replace(problem, rows=tuple(rows), variables=tuple(variables))


def _dearest(problem: AssignmentProblem) -> float:
    """Return the dearest cost of a request, or of what it asks of a variable."""
    costs = {v.name: abs(v.cost) for v in problem.variables}
    asked = [
        costs[name] * _largest(row) / -coefficient
        for row in problem.rows
        for name, coefficient in row.variables.items()
        if coefficient < 0.0
    ]
    return max([float(np.abs(problem.cost).max(initial=0.0)), *asked]) or 1.0


def _largest(row: Row) -> float:
    return float((np.abs(row.values).max(axis=0) * np.abs(row.columns)).max(initial=0.0))


def exceeds(solution: LinearSolution) -> bool:
    """Whether some row is exceeded in a solution of an elastic problem."""
    excesses = (value for name, value in solution.variables.items() if name.startswith(NAME))
    return any(value > EXCEEDED for value in excesses)


def without_excess(solution: LinearSolution) -> LinearSolution:
    """Return the solution without its excess variables."""
    kept = {n: v for n, v in solution.variables.items() if not n.startswith(NAME)}
    return replace(solution, variables=kept)
