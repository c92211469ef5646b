"""The linear relaxation of an assignment problem, by OR-Tools' GLOP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.linear_solver import pywraplp

from costmodel.arrays import BoolArray, FloatArray
from service.planning.bounds.assignment_problem import AssignmentProblem, Row
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


def solve_linear(
    problem: AssignmentProblem, deadline: Deadline, pairs: BoolArray | None = None
) -> LinearSolution | None:
    """Solve the relaxation without integrality; None where it is infeasible or time ran out.

    Where time ran out, the deadline knows that it cut.

    Parameters
    ----------
    pairs
        The (cell, placement) pairs that may be used, shape (n, k); None for all that are allowed.

    Notes
    -----
    Links are relaxed to ``x <= size * z``, summed over the requests of a link.
    """
    program = _Program(problem, problem.allowed if pairs is None else pairs)
    solution = program.solve(deadline.left_s)
    if solution is None:
        deadline.passed()
    return solution


class _Program:
    """The relaxation in GLOP's terms."""

    def __init__(self, problem: AssignmentProblem, pairs: BoolArray) -> None:
        self.problem = problem
        self.solver = pywraplp.Solver.CreateSolver("GLOP")
        self.cells, self.placements = np.nonzero(pairs)
        self.x = self._assignment()
        self.z = {v.name: self.solver.NumVar(v.lower, v.upper, "") for v in problem.variables}
        objective = self.solver.Objective()
        for v in problem.variables:
            objective.SetCoefficient(self.z[v.name], v.cost)
        objective.SetMinimization()
        self.values: dict[int, FloatArray] = {}
        self.rows = [self._row(row) for row in problem.rows]
        self._links()

    def _assignment(self) -> list[pywraplp.Variable]:
        solver, sizes = self.solver, self.problem.sizes.astype(float)
        objective, infinity = solver.Objective(), solver.infinity()
        whole = [solver.Constraint(size, size) for size in sizes.tolist()]
        costs = self.problem.cost[self.cells, self.placements].tolist()
        found = []
        for cell, cost in zip(self.cells.tolist(), costs, strict=True):
            variable = solver.NumVar(0.0, infinity, "")
            objective.SetCoefficient(variable, cost)
            whole[cell].SetCoefficient(variable, 1.0)
            found.append(variable)
        return found

    def _row(self, row: Row) -> tuple[pywraplp.Constraint, float]:
        problem = self.problem
        if id(row.values) not in self.values:
            values = np.broadcast_to(row.values, problem.cost.shape)
            self.values[id(row.values)] = values[self.cells, self.placements]
        factors = row.factors(problem.group_count)[problem.labels[self.cells], self.placements]
        values = self.values[id(row.values)] * factors
        scale = float(np.abs(values).max(initial=0.0)) or 1.0
        constraint = self.solver.Constraint(-self.solver.infinity(), row.bound / scale)
        used = np.flatnonzero(values)
        for j, value in zip(used.tolist(), (values[used] / scale).tolist(), strict=True):
            constraint.SetCoefficient(self.x[j], value)
        for name, coefficient in row.variables.items():
            constraint.SetCoefficient(self.z[name], coefficient / scale)
        return constraint, scale

    def _links(self) -> None:
        for link in self.problem.links:
            constraint = self.solver.Constraint(-self.solver.infinity(), 0.0)
            for j in np.flatnonzero(np.isin(self.placements, link.columns)).tolist():
                constraint.SetCoefficient(self.x[j], 1.0)
            size = float(self.problem.sizes.sum())
            constraint.SetCoefficient(self.z[link.variable], -size)

    def solve(self, seconds: float) -> LinearSolution | None:
        self.solver.SetTimeLimit(max(1, int(1000 * seconds)))
        if self.solver.Solve() != pywraplp.Solver.OPTIMAL:
            return None
        counts = np.zeros(self.problem.cost.shape)
        counts[self.cells, self.placements] = [x.solution_value() for x in self.x]
        return LinearSolution(
            np.maximum(counts, 0.0),
            np.array([max(0.0, -c.dual_value() / scale) for c, scale in self.rows]),
            {name: variable.solution_value() for name, variable in self.z.items()},
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
