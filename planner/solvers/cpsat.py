"""Assignments by OR-Tools' CP-SAT: the only module that imports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ortools.sat.python.cp_model_helper import (
    ConstraintProto,
    CpModelProto,
    CpSolverStatus,
    SatParameters,
    SolutionCallback,
    SolveWrapper,
)

from costmodel.arrays import FloatArray, IntArray
from planner.interruption import uninterrupted
from planner.quantities import Counted
from planner.solvers.assignment_problem import AssignmentProblem, Variable

MAX_TOTAL = 2**40
"""Largest integer that a row's or the objective's total may reach: far below overflow at 2**63,
and 1e-12 of the total a unit."""
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
"""No bound, in CP-SAT's terms."""
NEGLIGIBLE_TOTAL = 1e-250
"""Total of a row below which no factor brings it to `MAX_TOTAL`: it is rounded without one."""


@dataclass(frozen=True)
class Effort:
    """When to stop: the clock, a deterministic limit, a gap, or an objective that is enough."""

    seconds: float
    deterministic_seconds: float
    absolute_gap: float = 0.0
    enough: float = -np.inf
    seed: int = 0


@dataclass(frozen=True)
class Assignment:
    """The best assignment that CP-SAT found, and what it proved.

    `counts`, (n, k), are the members of each row of the assignment on each placement; None when
    nothing was found, and then `bound`, the proven lower bound on the objective, is -inf.
    `clock_cut` says whether the clock stopped it before its deterministic limit.
    """

    counts: IntArray | None
    bound: float
    clock_cut: bool


@dataclass(frozen=True)
class SteppedVariable:
    """A variable beside the assignment in CP-SAT's integers, `step` of its own unit each.

    `index` is its place among CP-SAT's variables.
    """

    given: Variable
    index: int
    step: float

    @property
    def largest(self) -> float:
        """The largest size that it can have, in its own unit."""
        return max(abs(self.given.lower), abs(self.given.upper))

    @property
    def rounding(self) -> float:
        """Largest error of rounding to steps, in the variable's own unit."""
        return 0.0 if self.given.integer else self.step


class CpSatProgram:
    """The assignment problem in CP-SAT's terms, one method for each constraint.

    Variables are indices: the one of pair j of `items` and `placements` is j. `cp_model`, which has
    objects for them, imports pandas, half a second and 68 MB of each worker.

    Rows are rounded so that nothing feasible is lost: coefficients down, bounds up. A continuous
    variable moves in steps of 2^-30 of its range: rows are widened and the bound is lowered by
    what that may take. The evaluator judges the result on the float data.
    """

    def __init__(self, problem: AssignmentProblem) -> None:
        self.problem = problem
        self.program = CpModelProto()
        self.items, self.placements = np.nonzero(problem.allowed)
        for size in problem.sizes[self.items].tolist():
            self._add_variable(0, int(size))
        self.z = self._side_variables()
        self.one_placement_each()
        for index in range(len(problem.rows)):
            self.within_bound(index)
        self.linked_variables()
        self.longest_jobs()
        self.least_cost()

    def _add_variable(self, lower: int, upper: int) -> int:
        self.program.variables.add().domain.extend([lower, upper])
        return len(self.program.variables) - 1

    def _add_linear(
        self, variables: list[int], coefficients: list[int], lower: int, upper: int
    ) -> ConstraintProto:
        """Constrain a weighted sum of variables."""
        constraint: ConstraintProto = self.program.constraints.add()
        constraint.linear.vars.extend(variables)
        constraint.linear.coeffs.extend(coefficients)
        constraint.linear.domain.extend([lower, upper])
        return constraint

    def _side_variables(self) -> dict[Counted, SteppedVariable]:
        found = {}
        for v in self.problem.variables:
            step = 1.0 if v.integer else max(abs(v.lower), abs(v.upper), 1e-9) / 2**30
            lower, upper = int(np.floor(v.lower / step)), int(np.ceil(v.upper / step))
            found[v.counts] = SteppedVariable(v, self._add_variable(lower, upper), step)
        return found

    def one_placement_each(self) -> None:
        """Ensures that every request has exactly one placement."""
        edges = np.flatnonzero(np.diff(self.items)) + 1
        for group in np.split(np.arange(len(self.items)), edges):
            size = int(self.problem.sizes[self.items[group[0]]])
            if size == 1:
                self.program.constraints.add().exactly_one.literals.extend(group.tolist())
            else:
                self._add_linear(group.tolist(), [1] * len(group), size, size)

    def within_bound(self, index: int) -> None:
        """Ensures that a row's sum stays within its bound."""
        row = self.problem.rows[index]
        values = self.problem.coefficients_at(row, self.items, self.placements)
        scale = self._scale(values, row.bound, row.variables)
        bound = row.bound + self._rounding(row.variables)
        total = self._total(values, row.variables, scale)
        self._add_linear(*total, MIN_INTEGER, int(np.ceil(bound * scale)))

    def linked_variables(self) -> None:
        """Ensures that a placement is used only where its linked variable is at least 1."""
        for link in self.problem.links:
            on = self._add_variable(0, 1)
            used = self._add_linear([self.z[link.variable].index], [1], 1, MAX_INTEGER)
            used.enforcement_literal.append(on)
            for j in np.flatnonzero(np.isin(self.placements, link.columns)).tolist():
                if self.problem.sizes[self.items[j]] == 1:
                    implied = self.program.constraints.add()
                    implied.enforcement_literal.append(j)
                    implied.bool_and.literals.append(on)
                else:
                    self._add_linear([j], [1], 0, 0).enforcement_literal.append(-on - 1)

    def longest_jobs(self) -> None:
        """Ensures that a longest-job variable reaches every request's value on its placement."""
        for job in self.problem.longest_jobs:
            variable = self.z[job.variable]
            for j in np.flatnonzero(self.placements == job.column).tolist():
                value = int(np.floor(job.values[self.items[j]] / variable.step))
                self._add_linear([j, variable.index], [-value, 1], 0, MAX_INTEGER)

    def least_cost(self) -> None:
        """Minimise the cost, counted from each request's cheapest placement."""
        problem = self.problem
        cheapest = np.where(problem.allowed, problem.cost, np.inf).min(axis=1)
        extra = (problem.cost - cheapest[:, None])[self.items, self.placements]
        costs = {v.counts: v.cost for v in problem.variables if v.cost != 0.0}
        self.offset = problem.constant + float((cheapest * problem.sizes).sum())
        self.cost_scale = self._scale(extra, 0.0, costs)
        self.rounding = self._rounding(costs)
        variables, coefficients = self._total(extra, costs, self.cost_scale)
        self.program.objective.vars.extend(variables)
        self.program.objective.coeffs.extend(coefficients)
        self.program.objective.scaling_factor = 1.0

    def _total(
        self, values: FloatArray, variables: Mapping[Counted, float], scale: float
    ) -> tuple[list[int], list[int]]:
        """Sum over the pairs and some variables, each coefficient times `scale` rounded down."""
        terms = np.floor(values * scale).astype(np.int64)
        used = np.flatnonzero(terms)
        indices, coefficients = used.tolist(), terms[used].tolist()
        for counted, coefficient in variables.items():
            if whole := int(np.floor(coefficient * self.z[counted].step * scale)):
                indices.append(self.z[counted].index)
                coefficients.append(whole)
        return indices, coefficients

    def _rounding(self, variables: Mapping[Counted, float]) -> float:
        """Largest error of a sum by rounding its variables to their steps, unscaled."""
        return sum(abs(c) * self.z[counted].rounding for counted, c in variables.items())

    def _scale(self, values: FloatArray, bound: float, variables: Mapping[Counted, float]) -> float:
        """Factor that brings the largest possible total of a row to `MAX_TOTAL`."""
        sizes = self.problem.sizes[self.items]
        total = abs(bound) + float(self._largest_total(np.abs(values) * sizes))
        total += sum(abs(c) * self.z[counted].largest for counted, c in variables.items())
        return MAX_TOTAL / total if total > NEGLIGIBLE_TOTAL else 1.0

    def _largest_total(self, values: FloatArray) -> float:
        starts = np.flatnonzero(np.diff(self.items, prepend=-1))
        return float(np.maximum.reduceat(values, starts).sum()) if len(values) else 0.0

    def hint(self, counts: FloatArray) -> None:
        """Start the search from these counts."""
        of_pairs = np.rint(counts[self.items, self.placements]).astype(np.int64)
        self.program.solution_hint.vars.extend(range(len(of_pairs)))
        self.program.solution_hint.values.extend(of_pairs.tolist())

    def solve(self, effort: Effort) -> Assignment:
        """Run CP-SAT with one worker, so that the same effort gives the same plan."""
        solver = SolveWrapper()
        stop = _StopWhenEnough((effort.enough - self.offset) * self.cost_scale)
        solver.set_parameters(self._parameters(effort))
        solver.add_solution_callback(stop)
        with uninterrupted():
            found = solver.solve(self.program)  # type: ignore[no-untyped-call]
        solver.clear_solution_callback(stop)
        # By the clock it ends somewhat before its limit where its own steps take long.
        ended = stop.enough or found.deterministic_time >= effort.deterministic_seconds
        cut = found.status in (CpSolverStatus.UNKNOWN, CpSolverStatus.FEASIBLE) and not ended
        if found.status not in (CpSolverStatus.OPTIMAL, CpSolverStatus.FEASIBLE):
            return Assignment(None, -np.inf, clock_cut=cut)
        bound = found.best_objective_bound / self.cost_scale + self.offset - self.rounding
        counts = np.zeros(self.problem.cost.shape, dtype=np.int64)
        counts[self.items, self.placements] = list(found.solution)[: len(self.items)]
        return Assignment(counts, bound, clock_cut=cut)

    def _parameters(self, effort: Effort) -> SatParameters:
        parameters = SatParameters()
        parameters.num_workers = 1
        # Whoever runs the search says what SIGINT ends: the solver would end its search alone, and
        # leave the signal to the system's default after that.
        parameters.catch_sigint_signal = False
        parameters.random_seed = effort.seed
        # One family of presolve rules, on by default, claims optima that are none (OR-Tools 9.15,
        # google/or-tools#5293): docs/adr/0002. Without it nothing wrong was found.
        parameters.presolve_inclusion_work_limit = 0
        # Presolve by symmetry looks at no clock: a thousand equal devices held it for minutes.
        parameters.symmetry_level = 0
        parameters.max_time_in_seconds = max(0.01, effort.seconds)
        parameters.max_deterministic_time = effort.deterministic_seconds
        parameters.absolute_gap_limit = max(1.0, effort.absolute_gap * self.cost_scale)
        return parameters


class _StopWhenEnough(SolutionCallback):
    """Stops the search at the first solution that is good enough."""

    def __init__(self, objective: float) -> None:
        super().__init__()
        self._objective = objective
        self.enough = False

    def OnSolutionCallback(self) -> None:  # noqa: N802  CP-SAT calls it so
        if self.ObjectiveValue() <= self._objective:
            self.enough = True
            self.StopSearch()


def solve_assignment(
    problem: AssignmentProblem, effort: Effort, hint: FloatArray | None = None
) -> Assignment:
    """Assign by CP-SAT; see `CpSatProgram`."""
    if not problem.allowed.any(axis=1).all():
        return Assignment(None, -np.inf, clock_cut=False)
    program = CpSatProgram(problem)
    if hint is not None:
        program.hint(hint)
    return program.solve(effort)
