"""The core problem: requests whose placements differ least in cost, decided by CP-SAT."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.bounds.activity import excesses
from planner.bounds.bounding import Bounded
from planner.search.fix_and_dive import DivedAssignment, fix_and_dive, restrict
from planner.search.greedy_repair import greedy_repair
from planner.search.penalty_search import penalty_local_search
from planner.solvers.assignment_problem import AssignmentProblem
from planner.solvers.cpsat import Effort, solve_assignment
from planner.time_budget import TimeBudget

CORE_PAIRS = 3_000
"""(request, placement) pairs that CP-SAT decides on Booleans."""
OPTIMAL_GAP_SHARE = 1e-6
"""Share of the wanted gap above the relaxation's bound at which nothing is left to gain."""
ENOUGH_GAP_SHARE = 0.35
"""Share of the wanted gap above the relaxation's own bound at which an assignment is enough."""
MAX_EXTRA_COSTS = (0.25, 4.0)
"""Extra cost of a pair up to which it is considered, as multiples of the wanted gap: at first, and
where the rows do not hold with those alone."""
EXACT_ROW_TOLERANCE = 1e-12
POOL_TIME_TOLERANCE = 2e-5
"""Share of a pool's time that may be exceeded: less than what is reserved of it."""
CORE_EFFORT_S = 0.3
"""Deterministic seconds of CP-SAT in a round: about a second."""


def solve_core(
    relaxation: AssignmentProblem,
    bounded: Bounded,
    budget: TimeBudget,
    *,
    enough: float,
    absolute_gap: float,
    seed: int,
) -> tuple[IntArray, float]:
    """Decide the requests whose placements differ least in cost; others follow the relaxation.

    The search may stop at an objective of `enough`. Returned are the placement of each request,
    (n,), and a bound that is valid for `relaxation` (-inf where CP-SAT saw a part only).
    """
    size = max(1, CORE_PAIRS // max(1, int(relaxation.allowed.sum()) // relaxation.n))
    if size >= relaxation.n:
        dived = DivedAssignment(bounded.placement, bounded.variables, np.arange(relaxation.n))
    else:
        dived = fix_and_dive(relaxation, bounded, absolute_gap, budget)
    core = np.sort(dived.fractional[:size])
    placement = dived.placement.copy()
    part = restrict(relaxation, core, placement)
    if len(core) < relaxation.n:
        enough = max(enough, bounded.lower_bound + ENOUGH_GAP_SHARE * absolute_gap)
        reduced = bounded.priced.of(core)
        for share in MAX_EXTRA_COSTS:
            near = _without_expensive(part, reduced, placement[core], share * absolute_gap)
            variables, prices = dived.variables, bounded.multipliers
            placement[core] = penalty_local_search(near, placement[core], variables, prices)
            cost = _cost_within_rows(near, placement[core], dived)
            if cost <= enough:
                return placement, -np.inf
            if np.isfinite(cost):
                break
        part = near
    else:
        placement[core] = greedy_repair(part, placement[core], dived.variables)
        proven = bounded.lower_bound + OPTIMAL_GAP_SHARE * absolute_gap
        alone = not relaxation.variables and not relaxation.longest_jobs
        if alone and _cost_within_rows(part, placement[core], dived) <= proven:
            return placement, -np.inf
    hint = np.zeros(part.cost.shape)
    hint[np.arange(len(core)), placement[core]] = 1.0
    effort = Effort(
        seconds=budget.left_s,
        deterministic_seconds=CORE_EFFORT_S,
        absolute_gap=0.25 * absolute_gap,
        enough=enough,
        seed=seed,
    )
    assignment = solve_assignment(part, effort, hint)
    budget.cut |= assignment.clock_cut
    if assignment.counts is not None:
        placement[core] = assignment.counts.argmax(axis=1)
    return placement, assignment.bound if len(core) == relaxation.n else -np.inf


def _without_expensive(
    part: AssignmentProblem, reduced: FloatArray, placement: IntArray, maximum: float
) -> AssignmentProblem:
    """Leave out pairs that alone cost more than `maximum` at the rows' prices."""
    near = reduced - reduced.min(axis=1)[:, None] <= maximum
    near[np.arange(len(placement)), placement] = True
    return replace(part, allowed=part.allowed & near)


def _cost_within_rows(
    part: AssignmentProblem, placement: IntArray, dived: DivedAssignment
) -> float:
    """Cost of a part's assignment, inf where it exceeds a row."""
    over = excesses(part, placement, dived.variables)
    for row, excess in zip(part.rows, over.tolist(), strict=True):
        tolerance = POOL_TIME_TOLERANCE if row.pool is not None else EXACT_ROW_TOLERANCE
        if excess > tolerance * abs(row.bound):
            return np.inf
    cost = part.constant + float(part.cost[np.arange(len(placement)), placement].sum())
    return cost + sum(v.cost * dived.variables[v.counts] for v in part.variables)
