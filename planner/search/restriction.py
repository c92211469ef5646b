"""An assignment problem with most requests fixed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from costmodel.arrays import IntArray
from planner.bounds.activity import activities, values_at
from planner.solvers.assignment_problem import AssignmentProblem


def restrict(problem: AssignmentProblem, core: IntArray, placement: IntArray) -> AssignmentProblem:
    """Return the problem of the core requests, the others fixed where they are."""
    if len(core) == len(placement):
        return problem
    fixed = np.ones(len(placement), dtype=bool)
    fixed[core] = False
    rest = np.flatnonzero(fixed)
    there = placement[rest]
    used = activities(problem, placement, rest)
    part = problem.take(core)
    rows = (
        replace(row, bound=row.bound - u) for row, u in zip(part.rows, used.tolist(), strict=True)
    )
    variables = {v.name: v for v in problem.variables}
    for link in problem.links:
        if np.isin(there, link.columns).any():
            v = variables[link.variable]
            variables[link.variable] = replace(v, lower=max(1.0, v.lower))
    for peak in problem.peaks:
        v = variables[peak.variable]
        highest = float(peak.values[rest[there == peak.column]].max(initial=v.lower))
        variables[peak.variable] = replace(v, lower=max(v.lower, highest))
    fixed_cost = float(values_at(problem.cost, there, rest).sum())
    return replace(
        part,
        rows=tuple(rows),
        variables=tuple(variables.values()),
        constant=problem.constant + fixed_cost,
    )
