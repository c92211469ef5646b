"""Lower bound on the full data, and the prices that the limits have at it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from costmodel.workload import Workload
from service.planning.bounds.assignment_problem import AssignmentProblem, Row, Variable
from service.planning.bounds.cells import cell_labels, round_counts
from service.planning.bounds.lagrangian import Relaxed, lagrangian_bound, reduced_costs
from service.planning.bounds.linear import LinearSolution, solve_linear
from service.planning.bounds.polishing import polish
from service.planning.clock import Deadline

VIOLATION = "violation"
PROOF_TOLERANCE = 1e-7
"""Least proven violation, as a share of the limits' scales, that counts as a proof."""


@dataclass(frozen=True)
class Bounded:
    """The linear relaxation's answer, carried over to the full data.

    Attributes
    ----------
    lower_bound
        Valid for every assignment of the full data.
    multipliers
        Price of each row, shape (rows,).
    placement
        The relaxation's assignment rounded to requests, shape (n,); rows may be broken slightly.
    variables
        The relaxation's values of the variables beside the assignment.
    reduced
        Reduced cost of each pair, shape (n, k).
    relaxed
        Optima of the problem with its rows priced in, of the highest bound first: they break rows,
        but show which placements are worth opening for the longest requests.
    """

    lower_bound: float
    multipliers: FloatArray
    placement: IntArray
    variables: dict[str, float]
    reduced: FloatArray
    relaxed: tuple[Relaxed, ...] = ()


def bound(
    problem: AssignmentProblem,
    workload: Workload,
    deadline: Deadline,
    *,
    polished: bool = False,
) -> Bounded | None:
    """Solve the linear relaxation on cells and bound the full data with its prices.

    With `polished` the prices are raised on the full data, the tails of blocks with them.
    Returns None where the relaxation found no solution: infeasible or out of time.
    """
    labels = cell_labels(problem, workload)
    small = problem.aggregate(labels, int(labels.max()) + 1)
    solution = solve_linear(small, deadline)
    if solution is None:
        return None
    return _carry_over(problem, labels, solution, polished=polished)


def _carry_over(
    problem: AssignmentProblem, labels: IntArray, solution: LinearSolution, *, polished: bool
) -> Bounded:
    multipliers = solution.multipliers
    lower = max(
        lagrangian_bound(problem, np.zeros(len(problem.rows))),
        lagrangian_bound(problem, multipliers),
    )
    seen: dict[bytes, Relaxed] = {}
    if polished and (len(solution.counts) < len(labels) or problem.peaks):
        for relaxed in polish(problem, multipliers):
            lower = max(lower, relaxed.value)
            seen.setdefault(relaxed.placement.tobytes(), relaxed)
    highest_first = sorted(seen.values(), key=lambda relaxed: -relaxed.value)
    reduced = reduced_costs(problem, multipliers)
    placement = round_counts(solution.counts, labels, reduced)
    return Bounded(lower, multipliers, placement, solution.variables, reduced, tuple(highest_first))


def proves_violation(problem: AssignmentProblem, workload: Workload, deadline: Deadline) -> bool:
    """Whether it is proven, over the full data, that no assignment keeps every row.

    The rows are let go by a common share of their scales; a lower bound above 0 on the least
    share is the proof.
    """
    if not problem.allowed.any(axis=1).all():
        return True
    scales = np.array([_scale(row, problem) for row in problem.rows])
    rows = tuple(
        replace(row, variables={**row.variables, VIOLATION: -scale})
        for row, scale in zip(problem.rows, scales.tolist(), strict=True)
    )
    variables = tuple(replace(v, cost=0.0) for v in problem.variables)
    elastic = replace(
        problem,
        cost=np.zeros_like(problem.cost),
        rows=rows,
        variables=(*variables, Variable(VIOLATION, 0.0, 1e6, 1.0)),
        peaks=(),
        constant=0.0,
    )
    found = bound(elastic, workload, deadline)
    if found is None:
        return False
    multipliers = found.multipliers / max(float(found.multipliers @ scales), 1.0)
    return lagrangian_bound(elastic, multipliers) > PROOF_TOLERANCE


def _scale(row: Row, problem: AssignmentProblem) -> float:
    typical = float(np.abs(row.coefficients()).max(initial=0.0)) * problem.cost.shape[0]
    return float(max(abs(row.bound), 1e-3 * typical, 1e-12))
