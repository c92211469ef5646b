"""Lower bound on the full data, and the prices that the limits have at it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from costmodel.workload import Workload
from planner.bounds.aggregates import Aggregates, aggregate_requests
from planner.bounds.cutting_planes import cutting_plane_ascent
from planner.bounds.lagrangian import LagrangianSolution, lagrangian_bound
from planner.bounds.reduced_costs import ReducedCosts
from planner.bounds.sifting import solve_aggregated
from planner.quantities import CommonExcess, Counted
from planner.solvers.assignment_problem import AssignmentProblem, Row, Variable
from planner.solvers.linear import LinearSolution
from planner.time_budget import TimeBudget

INTEGRALITY_TOLERANCE = 1e-9
REFINEMENTS = 3
"""Times that aggregates are refined."""
REFINED_SHARE = 0.95
"""Share of the aggregates' loss that the refined ones account for."""
MAX_ASCENT_PAIRS = 1_000_000
"""(request, placement) pairs up to which the bound is raised by cutting planes on the full data."""
VIOLATION = CommonExcess()
PROOF_TOLERANCE = 1e-7
"""Least proven violation, as a share of the limits' scales, that counts as a proof."""


@dataclass(frozen=True)
class LpRelaxation:
    """The problem over aggregates of similar requests, and an optimum of its LP relaxation."""

    aggregates: Aggregates
    small: AssignmentProblem
    solution: LinearSolution


@dataclass(frozen=True)
class Bounded:
    """The linear relaxation's answer, carried over to the full data.

    `lower_bound` is valid for every assignment of the full data, at the prices `multipliers` of the
    rows, (rows,); `priced` are the costs with these priced in. `placement`, (n,), is the
    relaxation's assignment rounded to requests, which may break rows slightly, and `variables` has
    the values beside it. `regrets`, (n,), is what each request's placement costs beside
    `preferred`, its cheapest, rows priced in. `lp` is the relaxation over aggregates that all comes
    from.

    `lagrangian` are optima of the problem with its rows priced in, of the highest bound first: they
    break rows, but show which placements are worth opening for the longest requests.
    """

    lower_bound: float
    multipliers: FloatArray
    placement: IntArray
    variables: dict[Counted, float]
    priced: ReducedCosts
    regrets: FloatArray
    preferred: IntArray
    lp: LpRelaxation
    lagrangian: tuple[LagrangianSolution, ...] = ()

    @property
    def regret(self) -> float:
        """What the rounded placement costs more than every request's cheapest, rows priced in."""
        return float(self.regrets.sum())


def bound(
    problem: AssignmentProblem,
    workload: Workload,
    budget: TimeBudget,
    *,
    ascend: bool = False,
    absolute_gap: float = 0.0,
) -> Bounded | None:
    """Solve the linear relaxation on aggregates and bound the full data with its prices.

    Aggregates whose members would rather go elsewhere are refined and the relaxation is solved
    again, until what that costs is well below `absolute_gap`. With `ascend` cutting planes raise
    the bound on the full data, with the blocks' longest-job terms in it. Returns None where the
    relaxation found no solution: infeasible or out of time.
    """
    aggregates = aggregate_requests(problem, workload)
    small = problem.aggregate(aggregates.labels, aggregates.count)
    solution = solve_aggregated(small, aggregates, budget)
    if solution is None:
        return None
    found = _carry_over(problem, LpRelaxation(aggregates, small, solution))
    for _ in range(REFINEMENTS):
        if found.regret <= 0.2 * absolute_gap or aggregates.count == problem.n or budget.spent():
            break
        aggregates = _refined(aggregates, found)
        small = problem.aggregate(aggregates.labels, aggregates.count)
        solution = solve_aggregated(small, aggregates, budget, solution)
        if solution is None:
            break
        again = _carry_over(problem, LpRelaxation(aggregates, small, solution))
        found = replace(again, lower_bound=max(found.lower_bound, again.lower_bound))
    few = problem.n * problem.k <= MAX_ASCENT_PAIRS
    if ascend and few and (aggregates.count < problem.n or problem.longest_jobs):
        return _ascended(problem, found, budget)
    return found


def bound_again(problem: AssignmentProblem, earlier: Bounded, budget: TimeBudget) -> Bounded | None:
    """Solve the relaxation of a problem that differs in its rows' bounds and what is allowed.

    Aggregates and columns of an earlier relaxation are kept. None where it found no solution.
    """
    aggregates, small = earlier.lp.aggregates, earlier.lp.small
    bounds = zip(small.rows, problem.rows, strict=True)
    small = replace(small, rows=tuple(replace(row, bound=other.bound) for row, other in bounds))
    same = replace(aggregates, parents=np.arange(aggregates.count))
    solution = solve_aggregated(small, same, budget, earlier.lp.solution)
    if solution is None:
        return None
    return _carry_over(problem, LpRelaxation(aggregates, small, solution))


def _carry_over(problem: AssignmentProblem, lp: LpRelaxation) -> Bounded:
    aggregates, solution = lp.aggregates, lp.solution
    multipliers = solution.multipliers
    priced = ReducedCosts(problem, multipliers)
    placement = round_counts(solution.counts, aggregates.labels, priced)
    cheapest = priced.cheapest
    lower = lagrangian_bound(problem, multipliers, priced)
    regret = priced.at(placement) - cheapest.cost
    return Bounded(
        lower, multipliers, placement, solution.variables, priced, regret, cheapest.placement, lp
    )


def _refined(aggregates: Aggregates, found: Bounded) -> Aggregates:
    """Refine the aggregates that lose most, by which placement each member would prefer."""
    lost = np.bincount(aggregates.labels, weights=found.regrets, minlength=aggregates.count)
    order = np.argsort(-lost, kind="stable")
    share = np.cumsum(lost[order]) / lost.sum()
    worst = np.zeros(aggregates.count, dtype=bool)
    worst[order[: 1 + int(np.searchsorted(share, REFINED_SHARE))]] = True
    marks = np.where(worst[aggregates.labels], found.preferred + 1, 0)
    return aggregates.refined(marks, int(marks.max()) + 1)


def _ascended(problem: AssignmentProblem, found: Bounded, budget: TimeBudget) -> Bounded:
    """Raise the bound on the full data; keep what is met on the way."""
    lower, seen = found.lower_bound, dict[bytes, LagrangianSolution]()
    for lagrangian in cutting_plane_ascent(problem, found.multipliers, budget):
        lower = max(lower, lagrangian.value)
        seen.setdefault(lagrangian.placement.tobytes(), lagrangian)
    highest_first = sorted(seen.values(), key=lambda lagrangian: -lagrangian.value)
    return replace(found, lower_bound=lower, lagrangian=tuple(highest_first))


def proves_violation(problem: AssignmentProblem, workload: Workload, budget: TimeBudget) -> bool:
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
        longest_jobs=(),
        constant=0.0,
    )
    # Aggregates can do no more than their members: where they violate nothing, nothing is proven.
    for gap in (np.inf, 0.0):
        found = bound(elastic, workload, budget, absolute_gap=gap)
        if found is None or found.variables[VIOLATION] <= PROOF_TOLERANCE:
            return False
        multipliers = found.multipliers / max(float(found.multipliers @ scales), 1.0)
        if lagrangian_bound(elastic, multipliers) > PROOF_TOLERANCE:
            return True
    return False


def _scale(row: Row, problem: AssignmentProblem) -> float:
    largest = np.abs(row.values).max(axis=0, initial=0.0) * np.abs(row.columns)
    typical = float(largest.max(initial=0.0)) * problem.n
    return float(max(abs(row.bound), 1e-3 * typical, 1e-12))


def round_counts(counts: FloatArray, labels: IntArray, priced: ReducedCosts) -> IntArray:
    """Give every request a placement so that its aggregate's counts are met to the nearest integer.

    `counts` are the members of each aggregate on each placement, fractional, shape (aggregates, k),
    `labels` the aggregate of each request, shape (n,). In a split aggregate those who gain most by
    a placement, at reduced costs, get it.
    """
    placement: IntArray = np.argmax(counts, axis=1)[labels]
    split = (counts > INTEGRALITY_TOLERANCE).sum(axis=1) > 1
    members = np.flatnonzero(split[labels])
    if not len(members):
        return placement
    members = members[np.argsort(labels[members], kind="stable")]
    reduced = priced.of(members)
    edges = np.flatnonzero(np.diff(labels[members])) + 1
    starts, ends = np.append(0, edges), np.append(edges, len(members))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        part = slice(start, end)
        placement[members[part]] = _split(counts[labels[members[start]]], reduced[part])
    return placement


def _split(counts: FloatArray, reduced: FloatArray) -> IntArray:
    used = np.flatnonzero(counts > INTEGRALITY_TOLERANCE)
    quota = np.floor(counts[used] + INTEGRALITY_TOLERANCE).astype(np.int64)
    short = len(reduced) - int(quota.sum())
    quota[np.argsort(quota - counts[used], kind="stable")[:short]] += 1
    found = np.full(len(reduced), used[-1])
    free = np.arange(len(reduced))
    for position, k in enumerate(used[:-1].tolist()):
        rest = reduced[free][:, used[position + 1 :]].min(axis=1)
        rank = np.argsort(reduced[free, k] - rest, kind="stable")
        taken = rank[: quota[position]]
        found[free[taken]] = k
        free = np.delete(free, taken)
    return found
