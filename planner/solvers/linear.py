"""The linear relaxation of an assignment problem, by OR-Tools' GLOP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ortools.linear_solver.python.model_builder_helper import (
    ModelBuilderHelper,
    ModelSolverHelper,
    SolveStatus,
)

from costmodel.arrays import BoolArray, FloatArray
from planner.quantities import Counted
from planner.solvers.assignment_problem import AssignmentProblem, Row
from planner.time_budget import TimeBudget


@dataclass(frozen=True)
class LinearSolution:
    """Optimum of the linear relaxation.

    `counts`, (n, k), are the members of each row of the assignment on each placement, fractional,
    `multipliers`, (rows,), the non-negative prices of the rows.
    """

    counts: FloatArray
    multipliers: FloatArray
    variables: dict[Counted, float]


def solve_linear(
    problem: AssignmentProblem, budget: TimeBudget, pairs: BoolArray | None = None
) -> LinearSolution | None:
    """Solve the relaxation without integrality; None where it is infeasible or time ran out.

    Where time ran out, the budget knows that it cut. Only `pairs`, (n, k), may be used; None for
    all allowed ones. Links are relaxed to ``x <= size * z``, summed over the requests of a link.
    """
    program = _Program(problem, problem.allowed if pairs is None else pairs)
    return program.solve(budget)


class _Program:
    """The relaxation in GLOP's terms, by indices: objects for each variable take far longer."""

    def __init__(self, problem: AssignmentProblem, pairs: BoolArray) -> None:
        self.problem = problem
        self.program = ModelBuilderHelper()
        self.items, self.placements = np.nonzero(pairs)
        self._add_variables()
        self._place_whole_items()
        self.first_row = self.program.num_constraints()
        self.scales = [self._row(row) for row in problem.rows]
        self._links()

    def _add_variables(self) -> None:
        variables, m = self.problem.variables, len(self.items)
        lower = [0.0] * m + [v.lower for v in variables]
        upper = [np.inf] * m + [v.upper for v in variables]
        add_variables(self.program, lower, upper)
        costs = self.problem.cost[self.items, self.placements].tolist()
        for j, cost in enumerate([*costs, *(v.cost for v in variables)]):
            self.program.set_var_objective_coefficient(j, cost)
        self.side = {v.counts: m + position for position, v in enumerate(variables)}

    def _constraint(self, lower: float, upper: float) -> int:
        index: int = self.program.add_linear_constraint()
        self.program.set_constraint_lower_bound(index, lower)
        self.program.set_constraint_upper_bound(index, upper)
        return index

    def _place_whole_items(self) -> None:
        for size in self.problem.sizes.astype(float).tolist():
            self._constraint(size, size)
        add = self.program.add_term_to_constraint
        for j, item in enumerate(self.items.tolist()):
            add(item, j, 1.0)

    def _row(self, row: Row) -> float:
        values = self.problem.coefficients_at(row, self.items, self.placements)
        scale = float(np.abs(values).max(initial=0.0)) or 1.0
        index, add = self._constraint(-np.inf, row.bound / scale), self.program
        used = np.flatnonzero(values)
        for j, value in zip(used.tolist(), (values[used] / scale).tolist(), strict=True):
            add.add_term_to_constraint(index, j, value)
        for counted, coefficient in row.variables.items():
            add.add_term_to_constraint(index, self.side[counted], coefficient / scale)
        return scale

    def _links(self) -> None:
        for link in self.problem.links:
            index = self._constraint(-np.inf, 0.0)
            for j in np.flatnonzero(np.isin(self.placements, link.columns)).tolist():
                self.program.add_term_to_constraint(index, j, 1.0)
            size = float(self.problem.sizes.sum())
            self.program.add_term_to_constraint(index, self.side[link.variable], -size)

    def solve(self, budget: TimeBudget) -> LinearSolution | None:
        solver = _solve(self.program, budget)
        if solver is None:
            return None
        values, duals = solver.variable_values(), solver.dual_values()
        counts = np.zeros(self.problem.cost.shape)
        counts[self.items, self.placements] = np.maximum(values[: len(self.items)], 0.0)
        rows = slice(self.first_row, self.first_row + len(self.scales))
        return LinearSolution(
            counts,
            np.maximum(0.0, -duals[rows] / np.array(self.scales)),
            {counted: float(values[j]) for counted, j in self.side.items()},
        )


@dataclass(frozen=True)
class Cut:
    """A tangent of a concave function: it lies nowhere above."""

    point: FloatArray
    value: float
    slope: FloatArray


def highest_of_cuts(
    cuts: list[Cut], centre: FloatArray, reach: FloatArray, limit: FloatArray, budget: TimeBudget
) -> tuple[FloatArray, float] | None:
    """Return where in a box the least of some cuts is highest, and the cuts' value there.

    Each coordinate is within `reach` of the centre, at least 0 and at most `limit`. None where the
    solver found no such point.
    """
    program = ModelBuilderHelper()
    scale = np.maximum(reach, 1e-300)
    unit = max(abs(cut.value) for cut in cuts) or 1.0
    low = np.maximum(0.0, centre - reach) / scale
    high = np.minimum(limit, centre + reach) / scale
    level = len(low)
    add_variables(program, [*low.tolist(), -np.inf], [*high.tolist(), np.inf])
    for cut in cuts:
        index = program.add_linear_constraint()
        at_zero = (cut.value - float(cut.slope @ cut.point)) / unit
        program.set_constraint_lower_bound(index, -np.inf)
        program.set_constraint_upper_bound(index, at_zero)
        program.add_term_to_constraint(index, level, 1.0)
        for step, slope in enumerate((cut.slope * scale / unit).tolist()):
            program.add_term_to_constraint(index, step, -slope)
    program.set_var_objective_coefficient(level, 1.0)
    program.set_maximize(True)
    solver = _solve(program, budget)
    if solver is None:
        return None
    values = solver.variable_values()
    return np.clip(values[:level] * scale, 0.0, limit), float(values[level]) * unit


def _solve(program: ModelBuilderHelper, budget: TimeBudget) -> ModelSolverHelper | None:
    """Run GLOP; None where it found no optimum, and the budget knows if that was for time.

    Its status tells: it ends up to a tenth before its limit where its own steps take long.
    """
    solver = ModelSolverHelper("glop")
    solver.set_time_limit_in_seconds(max(1e-3, budget.left_s))
    solver.solve(program)
    budget.cut |= solver.status() in (SolveStatus.FEASIBLE, SolveStatus.NOT_SOLVED)
    return solver if solver.status() == SolveStatus.OPTIMAL else None


def add_variables(program: ModelBuilderHelper, lower: list[float], upper: list[float]) -> None:
    """Add continuous variables to a programme."""
    bounds: Any = np.array([lower, upper])
    whole: Any = np.zeros(len(lower), dtype=bool)
    program.add_var_array_with_bounds(bounds[0], bounds[1], whole, "")
