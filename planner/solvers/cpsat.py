"""Assignments by OR-Tools' CP-SAT: the only module that imports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ortools.sat.python import cp_model

from costmodel.arrays import FloatArray, IntArray
from planner.interruption import uninterrupted
from planner.quantities import Counted
from planner.solvers.assignment_problem import AssignmentProblem, Variable

MAX_TOTAL = 2**40
"""Largest integer that a row's or the objective's total may reach: far below overflow at 2**63,
and 1e-12 of the total a unit."""
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
    """A variable beside the assignment in CP-SAT's integers, `step` of its own unit each."""

    given: Variable
    steps: cp_model.IntVar
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

    Rows are rounded so that nothing feasible is lost: coefficients down, bounds up. A continuous
    variable moves in steps of 2^-30 of its range: rows are widened and the bound is lowered by
    what that may take. The evaluator judges the result on the float data.
    """

    def __init__(self, problem: AssignmentProblem) -> None:
        self.problem = problem
        self.program = cp_model.CpModel()
        self.items, self.placements = np.nonzero(problem.allowed)
        self.x = self._assignment_variables()
        self.z = self._side_variables()
        self.one_placement_each()
        for index in range(len(problem.rows)):
            self.within_bound(index)
        self.linked_variables()
        self.longest_jobs()
        self.least_cost()

    def _assignment_variables(self) -> list[cp_model.IntVar]:
        sizes = self.problem.sizes
        return [
            self.program.new_bool_var("")
            if sizes[i] == 1
            else self.program.new_int_var(0, int(sizes[i]), "")
            for i in self.items.tolist()
        ]

    def _side_variables(self) -> dict[Counted, SteppedVariable]:
        found = {}
        for v in self.problem.variables:
            step = 1.0 if v.integer else max(abs(v.lower), abs(v.upper), 1e-9) / 2**30
            lower, upper = int(np.floor(v.lower / step)), int(np.ceil(v.upper / step))
            steps = self.program.new_int_var(lower, upper, str(v.counts))
            found[v.counts] = SteppedVariable(v, steps, step)
        return found

    def one_placement_each(self) -> None:
        """Ensures that every request has exactly one placement."""
        edges = np.flatnonzero(np.diff(self.items)) + 1
        for group in np.split(np.arange(len(self.items)), edges):
            literals = [self.x[j] for j in group.tolist()]
            size = int(self.problem.sizes[self.items[group[0]]])
            if size == 1:
                self.program.add_exactly_one(literals)
            else:
                self.program.add(sum(literals) == size)

    def within_bound(self, index: int) -> None:
        """Ensures that a row's sum stays within its bound."""
        row = self.problem.rows[index]
        values = self.problem.coefficients_at(row, self.items, self.placements)
        scale = self._scale(values, row.bound, row.variables)
        total = self._total(values, row.variables, scale)
        bound = row.bound + self._rounding(row.variables)
        self.program.add(total <= int(np.ceil(bound * scale)))

    def linked_variables(self) -> None:
        """Ensures that a placement is used only where its linked variable is at least 1."""
        for link in self.problem.links:
            on = self.program.new_bool_var("")
            self.program.add(self.z[link.variable].steps >= 1).only_enforce_if(on)
            for j in np.flatnonzero(np.isin(self.placements, link.columns)).tolist():
                if self.problem.sizes[self.items[j]] == 1:
                    self.program.add_implication(self.x[j], on)
                else:
                    self.program.add(self.x[j] == 0).only_enforce_if(~on)

    def longest_jobs(self) -> None:
        """Ensures that a longest-job variable reaches every request's value on its placement."""
        for job in self.problem.longest_jobs:
            variable = self.z[job.variable]
            for j in np.flatnonzero(self.placements == job.column).tolist():
                value = int(np.floor(job.values[self.items[j]] / variable.step))
                self.program.add(variable.steps >= value * self.x[j])

    def least_cost(self) -> None:
        """Minimise the cost, counted from each request's cheapest placement."""
        problem = self.problem
        cheapest = np.where(problem.allowed, problem.cost, np.inf).min(axis=1)
        extra = (problem.cost - cheapest[:, None])[self.items, self.placements]
        costs = {v.counts: v.cost for v in problem.variables if v.cost != 0.0}
        self.offset = problem.constant + float((cheapest * problem.sizes).sum())
        self.cost_scale = self._scale(extra, 0.0, costs)
        self.rounding = self._rounding(costs)
        self.program.minimize(self._total(extra, costs, self.cost_scale))

    def _total(
        self, values: FloatArray, variables: Mapping[Counted, float], scale: float
    ) -> cp_model.LinearExpr:
        """Sum over the pairs and some variables, each coefficient times `scale` rounded down."""
        terms = np.floor(values * scale).astype(np.int64)
        used = np.flatnonzero(terms)
        literals = [self.x[j] for j in used.tolist()]
        coefficients = terms[used].tolist()
        for counted, coefficient in variables.items():
            literals.append(self.z[counted].steps)
            coefficients.append(int(np.floor(coefficient * self.z[counted].step * scale)))
        return cp_model.LinearExpr.weighted_sum(literals, coefficients)

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
        for j, value in enumerate(counts[self.items, self.placements].tolist()):
            self.program.add_hint(self.x[j], round(value))

    def solve(self, effort: Effort) -> Assignment:
        """Run CP-SAT with one worker, so that the same effort gives the same plan."""
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = effort.seed
        # One family of presolve rules, on by default, claims optima that are none (OR-Tools 9.15,
        # google/or-tools#5293): docs/adr/0002. Without it nothing wrong was found.
        solver.parameters.presolve_inclusion_work_limit = 0
        # Presolve by symmetry looks at no clock: a thousand equal devices held it for minutes.
        solver.parameters.symmetry_level = 0
        solver.parameters.max_time_in_seconds = max(0.01, effort.seconds)
        solver.parameters.max_deterministic_time = effort.deterministic_seconds
        solver.parameters.absolute_gap_limit = max(1.0, effort.absolute_gap * self.cost_scale)
        stop = _StopWhenEnough((effort.enough - self.offset) * self.cost_scale)
        with uninterrupted():
            status = solver.solve(self.program, stop)
        # By the clock it ends somewhat before its limit where its own steps take long.
        ended = stop.enough or solver.deterministic_time >= effort.deterministic_seconds
        cut = status in (cp_model.UNKNOWN, cp_model.FEASIBLE) and not ended
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return Assignment(None, -np.inf, clock_cut=cut)
        bound = solver.best_objective_bound / self.cost_scale + self.offset - self.rounding
        counts = np.zeros(self.problem.cost.shape, dtype=np.int64)
        counts[self.items, self.placements] = [solver.value(x) for x in self.x]
        return Assignment(counts, bound, clock_cut=cut)


class _StopWhenEnough(cp_model.CpSolverSolutionCallback):
    """Stops the search at the first solution that is good enough."""

    def __init__(self, objective: float) -> None:
        super().__init__()
        self._objective = objective
        self.enough = False

    def on_solution_callback(self) -> None:
        if self.objective_value <= self._objective:
            self.enough = True
            self.stop_search()


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
