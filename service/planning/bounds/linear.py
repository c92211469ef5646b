"""The linear relaxation of an assignment problem, by OR-Tools' GLOP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.linear_solver import pywraplp

from costmodel.arrays import FloatArray
from service.planning.bounds.assignment_problem import AssignmentProblem
from service.planning.clock import Deadline


@dataclass(frozen=True)
class LinearSolution:
    """Optimum of the linear relaxation.

    Attributes
    ----------
    counts
        Members of each row of the assignment on each placement, fractional, shape (n, k).
    multipliers
        Non-negative price of each row, shape (rows,).
    """

    counts: FloatArray
    multipliers: FloatArray
    variables: dict[str, float]


def solve_linear(problem: AssignmentProblem, deadline: Deadline) -> LinearSolution | None:
    """Solve the relaxation without integrality; None where it is infeasible or time ran out.

    Where time ran out, the deadline knows that it cut.

    Links are relaxed to ``x <= size * z``, summed over the requests of a link.
    """
    solver = pywraplp.Solver.CreateSolver("GLOP")
    solver.SetTimeLimit(max(1, int(1000 * deadline.left_s)))
    cells, placements = np.nonzero(problem.allowed)
    sizes = problem.sizes
    x = [solver.NumVar(0.0, float(sizes[i]), "") for i in cells.tolist()]
    z = {v.name: solver.NumVar(v.lower, v.upper, v.name) for v in problem.variables}
    objective = solver.Objective()
    for variable, cost in zip(x, problem.cost[cells, placements].tolist(), strict=True):
        objective.SetCoefficient(variable, cost)
    for v in problem.variables:
        objective.SetCoefficient(z[v.name], v.cost)
    objective.SetMinimization()
    whole = [solver.Constraint(float(size), float(size)) for size in sizes.tolist()]
    for variable, cell in zip(x, cells.tolist(), strict=True):
        whole[cell].SetCoefficient(variable, 1.0)
    rows = []
    for row, coefficients in zip(problem.rows, problem.row_coefficients(), strict=True):
        values = coefficients[cells, placements]
        scale = float(np.abs(values).max(initial=0.0)) or 1.0
        constraint = solver.Constraint(-solver.infinity(), row.bound / scale)
        for j in np.flatnonzero(values).tolist():
            constraint.SetCoefficient(x[j], float(values[j] / scale))
        for name, coefficient in row.variables.items():
            constraint.SetCoefficient(z[name], coefficient / scale)
        rows.append((constraint, scale))
    for link in problem.links:
        constraint = solver.Constraint(-solver.infinity(), 0.0)
        for j in np.flatnonzero(np.isin(placements, link.columns)).tolist():
            constraint.SetCoefficient(x[j], 1.0)
        constraint.SetCoefficient(z[link.variable], -float(sizes.sum()))
    if solver.Solve() != pywraplp.Solver.OPTIMAL:
        deadline.passed()
        return None
    counts = np.zeros(problem.cost.shape)
    counts[cells, placements] = [variable.solution_value() for variable in x]
    multipliers = np.array([max(0.0, -c.dual_value() / scale) for c, scale in rows])
    return LinearSolution(
        counts,
        multipliers,
        {name: variable.solution_value() for name, variable in z.items()},
    )


@dataclass(frozen=True)
class Cut:
    """A tangent of a concave function: it lies nowhere above."""

    point: FloatArray
    value: float
    slope: FloatArray


def highest_of_cuts(
    cuts: list[Cut], centre: FloatArray, reach: FloatArray, limit: FloatArray
) -> tuple[FloatArray, float] | None:
    """Maximise the least of some cuts within a box.

    Parameters
    ----------
    centre, reach
        The box: each coordinate within `reach` of the centre, at least 0 and at most `limit`.

    Returns
    -------
    tuple or None
        The highest point and the cuts' value there, None where the solver found none.
    """
    solver = pywraplp.Solver.CreateSolver("GLOP")
    scale = np.maximum(reach, 1e-300)
    unit = max(abs(cut.value) for cut in cuts) or 1.0
    low = np.maximum(0.0, centre - reach) / scale
    high = np.minimum(limit, centre + reach) / scale
    steps = [solver.NumVar(a, b, "") for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    level = solver.NumVar(-solver.infinity(), solver.infinity(), "")
    for cut in cuts:
        at_zero = (cut.value - float(cut.slope @ cut.point)) / unit
        constraint = solver.Constraint(-solver.infinity(), at_zero)
        constraint.SetCoefficient(level, 1.0)
        for step, slope in zip(steps, (cut.slope * scale / unit).tolist(), strict=True):
            constraint.SetCoefficient(step, -slope)
    solver.Maximize(level)
    if solver.Solve() != pywraplp.Solver.OPTIMAL:
        return None
    found = np.array([step.solution_value() for step in steps]) * scale
    return np.clip(found, 0.0, limit), level.solution_value() * unit
