"""Dual ascent: better multipliers on the full data, by cutting planes around the aggregates'."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from costmodel.arrays import FloatArray
from planner.bounds.lagrangian import MAX_LONGEST_JOBS, LagrangianSolution, solve_lagrangian
from planner.solvers.assignment_problem import AssignmentProblem
from planner.solvers.linear import Cut, highest_of_cuts
from planner.time_budget import TimeBudget

ASCENT_ROUNDS = 10
ASCENT_ROUNDS_WITH_LONGEST_JOBS = 40
TRUST_REGION = 0.3
"""Largest step of a multiplier in one round, as a share of its scale; halved when it fails."""
MIN_ASCENT_GAIN = 1e-5
"""Relative gain of a round below which the next one is not worth its pass over the data."""


def cutting_plane_ascent(
    problem: AssignmentProblem, multipliers: FloatArray, budget: TimeBudget
) -> Iterator[LagrangianSolution]:
    """Raise the Lagrangian bound over the multipliers above 0; yield each solution on the way.

    The bound is concave in the multipliers and each evaluation gives a supergradient, the excess
    of every row: a linear programme over the cuts so far says where to look next (Kelley's
    method, with a trust region).
    """
    full_prices = step_rows(problem)
    priced_rows = _priced_rows(problem, multipliers, full_prices, budget)
    scale, limit = multipliers.copy(), np.full(len(multipliers), np.inf)
    for r, price in full_prices.items():
        scale[r] = price if r in priced_rows else 0.0
        limit[r] = price
    active = np.flatnonzero(scale > 0.0)
    if not len(active):
        return
    best = multipliers.copy()
    for r, price in full_prices.items():
        best[r] = price
    trust, found = (1.0 if priced_rows else TRUST_REGION), solve_lagrangian(problem, best)
    value, cuts = found.value, [Cut(best[active], found.value, found.excess[active])]
    yield found
    starts = _longest_job_starts(best, priced_rows, full_prices)
    for _ in range(ASCENT_ROUNDS_WITH_LONGEST_JOBS if priced_rows else ASCENT_ROUNDS):
        if budget.spent():
            return
        trial = next(starts, None)
        if trial is None:
            reach = trust * scale[active]
            step = highest_of_cuts(cuts, best[active], reach, limit[active], budget)
            if step is None or (trust >= 1.0 and step[1] - value < MIN_ASCENT_GAIN * abs(value)):
                return
            trial = best.copy()
            trial[active] = step[0]
        found = solve_lagrangian(problem, trial)
        yield found
        cuts.append(Cut(trial[active], found.value, found.excess[active]))
        gain = found.value - value
        if gain > 0.0:
            best, value = trial, found.value
        else:
            trust *= 0.7
        if trust < 0.02 or 0.0 < gain < MIN_ASCENT_GAIN * abs(value):
            return


def step_rows(problem: AssignmentProblem) -> dict[int, float]:
    """Rows by which a longest-job variable follows the mean, with the most their price may be."""
    cost = {variable.counts: variable.cost for variable in problem.variables}
    longest_jobs = {job.variable for job in problem.longest_jobs}
    return {
        r: cost[counted]
        for r, row in enumerate(problem.rows)
        for counted, coefficient in row.variables.items()
        if counted in longest_jobs and coefficient == -1.0 and len(row.variables) == 1
    }


def _priced_rows(
    problem: AssignmentProblem,
    multipliers: FloatArray,
    full_prices: dict[int, float],
    budget: TimeBudget,
) -> set[int]:
    """Step rows of the placements that are worth opening, one after the other.

    Where a step row has its full price the longest-job term is free; of the placements used so,
    one after the other gets a price for the term instead, until none is left or enough have one.
    """
    column_of = {job.variable: job.column for job in problem.longest_jobs}
    row_of = {column_of[counted]: r for r in full_prices for counted in problem.rows[r].variables}
    trial, priced_rows = multipliers.copy(), set[int]()
    for r, price in full_prices.items():
        trial[r] = price
    while len(priced_rows) < MAX_LONGEST_JOBS and not budget.spent():
        found = solve_lagrangian(problem, trial)
        used = np.bincount(found.placement, minlength=problem.k)
        unpriced = [k for k in np.argsort(-used, kind="stable") if used[k] and k in row_of]
        unpriced = [k for k in unpriced if row_of[k] not in priced_rows]
        if not unpriced:
            break
        priced_rows.add(row_of[unpriced[0]])
        trial[row_of[unpriced[0]]] = 0.5 * full_prices[row_of[unpriced[0]]]
    return priced_rows


def _longest_job_starts(
    best: FloatArray, priced_rows: set[int], full_prices: dict[int, float]
) -> Iterator[FloatArray]:
    """Multipliers that leave some of a step's price to the longest request."""
    for share in (0.5, 0.0) if priced_rows else ():
        trial = best.copy()
        for r in priced_rows:
            trial[r] = share * full_prices[r]
        yield trial
