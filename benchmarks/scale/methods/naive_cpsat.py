"""Naive CP-SAT: one Boolean for each request and placement, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import numpy as np

from benchmarks.scale.nominal import Nominal, NominalRow
from benchmarks.scale.outcome import MethodRun
from planner.quantities import Counted, Makespan
from planner.solvers.assignment_problem import AssignmentProblem, Row, Variable
from planner.solvers.cpsat import Effort, solve_assignment

UNLIMITED = 1e9


def naive_cpsat(nominal: Nominal, seconds: float, relative_gap: float) -> MethodRun:
    """Solve until the gap or the time limit, the building of the program included."""
    started = perf_counter()
    problem = assignment_problem(nominal)
    cheapest = float(np.where(nominal.eligible, nominal.cost, np.inf).min(axis=1).sum())
    effort = Effort(seconds, UNLIMITED, absolute_gap=relative_gap * cheapest)
    found = solve_assignment(problem, effort)
    took = {"total": perf_counter() - started}
    if found.counts is None:
        return MethodRun(took, word=f"nothing found in {seconds:g} s")
    placement = found.counts.argmax(axis=1)
    cost = nominal.value(placement)
    gap = max(0.0, cost - found.bound) / cost
    return MethodRun(took, cost, found.bound, gap, placement=placement)


def assignment_problem(nominal: Nominal) -> AssignmentProblem:
    """Return the nominal problem for CP-SAT."""
    rows = [row for part in nominal.rows for row in _rows(part, nominal)]
    variables = []
    if nominal.uses_makespan:
        maximum = min(nominal.deadline_s, 1e9)
        variables.append(Variable(Makespan(), 0.0, maximum, nominal.makespan_cost))
    return AssignmentProblem(nominal.cost, nominal.eligible, tuple(rows), tuple(variables))


def _rows(part: NominalRow, nominal: Nominal) -> Iterator[Row]:
    values = part.values
    if part.members is not None:
        values = np.broadcast_to(values, nominal.cost.shape) * part.members[:, None]
    columns = part.columns.astype(float)
    variables: dict[Counted, float] = {Makespan(): -part.makespan} if part.makespan else {}
    if np.isfinite(part.upper):
        yield Row(part.limits, values, columns, part.upper, variables=variables)
    if part.lower > 0.0:
        yield Row(part.limits, values, -columns, -part.lower)
