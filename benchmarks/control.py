"""The control: the paper's problem with the paper's coefficients, solved to its optimum.

    minimise  sum_q zeta * e_K(q) / e_max - (1 - zeta) * A_K * tokens(q) / a_max

over the LLM K of every query q, each LLM with at least one; e_max and a_max are the largest single
values over all pairs. There are no devices in it, so there is no makespan.
"""

from __future__ import annotations

import numpy as np

from benchmarks.case_costs import BLIND, CaseCosts, SweepPoint
from benchmarks.published import CASE_STUDY_LLMS, PUBLISHED
from costmodel.arrays import FloatArray
from costmodel.workload import Workload
from planner.quantities import RequestCount
from planner.reporting import OPTIMAL_GAP
from planner.solvers.assignment_problem import AssignmentProblem, Row
from planner.solvers.cpsat import Effort, solve_assignment

EFFORT_S = 10.0


def control_costs(workload: Workload) -> CaseCosts:
    """Return the joules and seconds that the published coefficients predict."""
    fits = [PUBLISHED[llm] for llm in CASE_STUDY_LLMS]
    return CaseCosts(
        workload,
        CASE_STUDY_LLMS,
        np.stack([fit.energy_j(workload) for fit in fits], axis=1),
        np.stack([fit.runtime_s(workload) for fit in fits], axis=1),
        np.array([fit.quality for fit in fits]),
    )


def objective_matrix(costs: CaseCosts, zeta: float) -> FloatArray:
    """Return what each request adds to the objective on each LLM, shape (n, K)."""
    value = costs.tokens[:, None] * costs.quality[None, :]
    energy = zeta * costs.energy_j / costs.energy_j.max()
    return np.asarray(energy - (1.0 - zeta) * value / value.max())


def assignment_problem(costs: CaseCosts, zeta: float, min_requests: int = 1) -> AssignmentProblem:
    """Return the paper's problem, each LLM with at least `min_requests`."""
    matrix = objective_matrix(costs, zeta)
    rows = tuple(
        Row(RequestCount(llm, "min"), np.ones((1, 1)), -np.eye(len(costs.llms))[k], -min_requests)
        for k, llm in enumerate(costs.llms)
    )
    return AssignmentProblem(matrix, np.ones(matrix.shape, dtype=bool), rows)


def solve_control(costs: CaseCosts, zeta: float, seed: int) -> SweepPoint:
    """Solve the paper's problem by CP-SAT."""
    problem = assignment_problem(costs, zeta)
    found = solve_assignment(problem, Effort(EFFORT_S, EFFORT_S, seed=seed))
    if found.counts is None:
        msg = "Expected an assignment that gives each LLM a request, got none."
        raise ArithmeticError(msg)
    choice = found.counts.argmax(axis=1)
    value = float(problem.cost[np.arange(len(choice)), choice].sum())
    energy_j, mean_quality = costs.total_energy_j(choice), costs.mean_quality(choice)
    top = float((costs.tokens[:, None] * costs.quality[None, :]).max())
    unit = zeta * energy_j / float(costs.energy_j.max())
    unit += (1.0 - zeta) * mean_quality * float(costs.tokens.sum()) / top
    gap = max(0.0, value - found.bound) / unit
    return SweepPoint(
        zeta=zeta,
        choice=choice,
        energy_j=energy_j,
        runtime_s=costs.runtimes_s(choice),
        makespan_s=None,
        mean_quality=mean_quality,
        status="optimal" if gap <= OPTIMAL_GAP else "feasible",
        gap=gap,
        baselines_j={**costs.fixed_policies(seed), BLIND: costs.blind_energy_j(mean_quality)},
    )
