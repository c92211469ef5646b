"""How far one limit has to move: the best value that the relaxation of the others allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from service.planning.bounds.assignment_problem import AssignmentProblem, Variable
from service.planning.bounds.bounding import bound, proves_violation
from service.planning.bounds.formulation import Formulation
from service.planning.bounds.side_variables import HORIZON
from service.planning.clock import Deadline
from service.planning.explanation.knobs import Knob
from service.planning.inputs import Objective
from service.planning.problem import PlacementProblem

STEPS = 12


def proves_infeasible(problem: PlacementProblem, deadline: Deadline) -> bool:
    """Whether the relaxation over the full data proves that no plan keeps every limit."""
    if deadline.passed():
        return False
    return proves_violation(Formulation(problem).build(), problem.requests.workload, deadline)


def proven_extreme(problem: PlacementProblem, knob: Knob, deadline: Deadline) -> float | None:
    """Bound, in the knob's own unit, the tightest value at which a plan may exist.

    Parameters
    ----------
    problem
        The problem with the knob as given.

    Returns
    -------
    float or None
        No plan exists with a tighter value; None where even without the limit there is none.
    """
    loose = knob.turn(problem, None)
    if proves_infeasible(loose, deadline):
        return None
    if knob.kind in ("own_deadlines", "available"):
        return _by_bisection(problem, knob, deadline)
    formulation = Formulation(loose)
    target = _target(loose, formulation, knob)
    found = bound(target, loose.requests.workload, deadline)
    if found is None:
        return None
    return _in_unit(loose, formulation, knob, found.lower_bound)


def _in_unit(
    problem: PlacementProblem, formulation: Formulation, knob: Knob, lower_bound: float
) -> float:
    if knob.kind == "energy":
        return lower_bound
    if knob.kind == "quality":
        return -lower_bound
    if knob.kind == "deadline":
        return max(lower_bound, formulation.makespan_range_s()[0])
    if knob.kind == "most":
        return float(max(0.0, (np.ceil(lower_bound - 1e-6) - 1.0) / problem.n))
    most = float(np.floor(-lower_bound + 1e-6))
    return most if knob.name.startswith("min_requests/") else min(1.0, (most + 1.0) / problem.n)


def _target(problem: PlacementProblem, formulation: Formulation, knob: Knob) -> AssignmentProblem:
    """Return the relaxation with the knob's quantity as its objective."""
    if knob.kind == "energy":
        joules = Objective(zeta=1.0, cost_normaliser=1.0)
        return Formulation(replace(problem, objective=joules)).build()
    relaxation = formulation.build()
    nothing = np.zeros((problem.n, problem.k))
    free = tuple(replace(v, cost=0.0) for v in relaxation.variables if v.name != HORIZON)
    rows = tuple(row for row in relaxation.rows if HORIZON not in row.variables)
    plain = replace(relaxation, cost=nothing, rows=rows, variables=free, constant=0.0)
    if knob.kind == "quality":
        share = problem.tokens / problem.tokens.sum()
        return replace(plain, cost=-share[:, None] * problem.quality_values[None, :])
    if knob.kind == "deadline":
        makespan = Variable(HORIZON, *formulation.makespan_range_s(), 1.0)
        rows = (*rows, *formulation.makespan_rows())
        return replace(plain, rows=rows, variables=(*free, makespan))
    sign = -1.0 if knob.kind == "least" else 1.0
    of_llm = np.array([sign * (p.llm == knob.llm) for p in problem.placements])
    return replace(plain, cost=nothing + of_llm[None, :])


def _by_bisection(problem: PlacementProblem, knob: Knob, deadline: Deadline) -> float:
    """Largest value that is still proven too tight, to 0.1 % or so."""
    low, high = knob.given, 2.0 * knob.given
    while proves_infeasible(knob.turn(problem, high), deadline):
        low, high = high, 4.0 * high
        if high > 1e12:
            break
    for _ in range(STEPS):
        middle = (low * high) ** 0.5
        if proves_infeasible(knob.turn(problem, middle), deadline):
            low = middle
        else:
            high = middle
    return low
