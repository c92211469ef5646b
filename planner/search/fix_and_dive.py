"""Fix-and-dive over the fractional requests, which aggregates decide only on average."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.bounds.activity import activities, excesses, values_at
from planner.bounds.bounding import Bounded
from planner.bounds.sifting import SIFTING_ROUNDS, sift, without_excess
from planner.quantities import Counted
from planner.solvers.assignment_problem import AssignmentProblem
from planner.solvers.linear import LinearSolution
from planner.time_budget import TimeBudget

MAX_LP_REQUESTS = 2_000
"""Largest number of requests that the linear programme sees one by one."""
MAX_DIVES = 6
"""Largest number of dives, each of which fixes half of the fractional requests."""
MAX_DIVED_REQUESTS = 30_000
"""Requests of a batch above which a fractional request is too small a part to be fixed."""
SPLIT_TOLERANCE = 1e-6
NEGLIGIBLE_SHARE = 0.03
"""Share of the wanted gap that rounding a fractional request at last may cost."""
EXCESS_COVER = 4.0
"""Multiple of an excess that the requests to choose from cover."""


@dataclass(frozen=True)
class DivedAssignment:
    """An assignment, (n,), whose rows hold but for its fractional requests.

    These are the requests that the linear programme splits, then those whose placements differ
    least in cost.
    """

    placement: IntArray
    variables: dict[Counted, float]
    fractional: IntArray


def fix_and_dive(
    relaxation: AssignmentProblem, bounded: Bounded, absolute_gap: float, budget: TimeBudget
) -> DivedAssignment:
    """Solve the relaxation again over the requests whose placements differ least in cost."""
    priced, start = bounded.priced, bounded.placement
    second, other = priced.second_best(start)
    regret = second - priced.at(start)
    if relaxation.n <= MAX_LP_REQUESTS:
        return DivedAssignment(start, bounded.variables, np.argsort(regret, kind="stable"))
    needed = _needed(relaxation, bounded, regret)
    chosen = np.union1d(_nearest(regret, start, other), needed)
    part = restrict(relaxation, chosen, start)
    small = NEGLIGIBLE_SHARE * absolute_gap if relaxation.n <= MAX_DIVED_REQUESTS else np.inf
    solution = _dive(part, start[chosen], bounded.multipliers, small, budget)
    nearest = chosen[np.argsort(regret[chosen], kind="stable")]
    if solution is None:
        return DivedAssignment(start, bounded.variables, nearest)
    placement = start.copy()
    placement[chosen] = solution.counts.argmax(axis=1)
    split = chosen[solution.counts.max(axis=1) < 1.0 - SPLIT_TOLERANCE]
    fractional = np.concatenate([split, nearest[~np.isin(nearest, split)]])
    return DivedAssignment(placement, without_excess(solution).variables, fractional)


def _dive(
    part: AssignmentProblem, start: IntArray, prices: FloatArray, small: float, budget: TimeBudget
) -> LinearSolution | None:
    """Solve the linear programme again and again, the larger split requests kept whole each time.

    A programme splits as many requests as rows bind. Rounded at once, long ones would exceed rows
    by far; kept whole one half after the other, the short ones make up for them. What is left are
    requests that take less than `small` of the rows, at their prices.
    """
    pairs = np.zeros(part.cost.shape, dtype=bool)
    pairs[np.arange(part.n), start] = True
    found: LinearSolution | None = None
    for dive in range(MAX_DIVES):
        rounds = SIFTING_ROUNDS if dive == 0 else 1
        again = sift(part, pairs, prices, budget, rounds)
        if again is None:
            break
        found, prices, pairs = again, again.multipliers, again.counts > 0.0
        split = np.flatnonzero(found.counts.max(axis=1) < 1.0 - SPLIT_TOLERANCE)
        size = _priced_size(part, split, prices)
        if size.max(initial=0.0) <= small:
            break
        kept = split[np.argsort(-size, kind="stable")[: (len(split) + 1) // 2]]
        allowed = part.allowed.copy()
        allowed[kept] = False
        allowed[kept, found.counts[kept].argmax(axis=1)] = True
        part = replace(part, allowed=allowed)
    return found


def _priced_size(part: AssignmentProblem, requests: IntArray, prices: FloatArray) -> FloatArray:
    """What some requests take of the rows, at their prices, at most, shape (m,)."""
    few = part.take(requests)
    used = np.zeros(few.cost.shape)
    for price, row in zip(prices.tolist(), few.rows, strict=True):
        seen = few.coefficients(row)
        used[:, seen.columns] += price * np.abs(seen.values)
    return np.asarray(np.where(few.allowed, used, 0.0).max(axis=1))


def _needed(relaxation: AssignmentProblem, bounded: Bounded, regret: FloatArray) -> IntArray:
    """Return the nearest requests out of each exceeded row, worth several times its excess."""
    over = excesses(relaxation, bounded.placement, bounded.variables)
    found = [np.empty(0, dtype=np.int64)]
    for row, excess in zip(relaxation.rows, over.tolist(), strict=True):
        if excess <= 0.0:
            continue
        there = np.flatnonzero((row.columns > 0.0)[bounded.placement] & np.isfinite(regret))
        there = there[np.argsort(regret[there], kind="stable")[: 2 * MAX_LP_REQUESTS]]
        covered = values_at(row.values, bounded.placement[there], there)
        covered = covered * row.columns[bounded.placement[there]]
        size = int(np.searchsorted(np.cumsum(covered), EXCESS_COVER * excess)) + 1
        found.append(there[:size])
    return np.concatenate(found)


def _nearest(regret: FloatArray, own: IntArray, other: IntArray) -> IntArray:
    """Return the requests of least regret, from and to each placement, shape (m,)."""
    width = int(max(own.max(), other.max())) + 1
    maximum = max(1, MAX_LP_REQUESTS // (2 * width))
    pool = np.argpartition(regret, min(len(regret) - 1, 20 * MAX_LP_REQUESTS))
    pool = pool[: 20 * MAX_LP_REQUESTS]
    pool = pool[np.argsort(regret[pool], kind="stable")]
    pool = pool[np.isfinite(regret[pool])]
    taken = np.zeros(len(regret), dtype=bool)
    taken[pool[: MAX_LP_REQUESTS // 2]] = True
    for side in (own, other):
        order = pool[np.argsort(side[pool], kind="stable")]
        counts = np.bincount(side[pool], minlength=width)
        rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        taken[order[rank < maximum]] = True
    return np.flatnonzero(taken)


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
    variables = {v.counts: v for v in problem.variables}
    for link in problem.links:
        if np.isin(there, link.columns).any():
            v = variables[link.variable]
            variables[link.variable] = replace(v, lower=max(1.0, v.lower))
    for job in problem.longest_jobs:
        v = variables[job.variable]
        highest = float(job.values[rest[there == job.column]].max(initial=v.lower))
        variables[job.variable] = replace(v, lower=max(v.lower, highest))
    fixed_cost = float(values_at(problem.cost, there, rest).sum())
    return replace(
        part,
        rows=tuple(rows),
        variables=tuple(variables.values()),
        constant=problem.constant + fixed_cost,
    )
