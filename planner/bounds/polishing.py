"""Better multipliers on the full data, by cutting planes around those of the cells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from costmodel.arrays import FloatArray
from planner.bounds.lagrangian import MOST_TAILS, Relaxed, relax
from planner.solvers.assignment_problem import AssignmentProblem
from planner.solvers.linear import Cut, highest_of_cuts
from planner.time_budget import TimeBudget

ROUNDS = 10
ROUNDS_WITH_TAILS = 40
TRUST = 0.3
"""Largest step of a multiplier in one round, as a share of its scale; halved when it fails."""
ENOUGH = 1e-5
"""Relative gain of a round below which the next one is not worth its pass over the data."""


def polish(
    problem: AssignmentProblem, multipliers: FloatArray, budget: TimeBudget
) -> Iterator[Relaxed]:
    """Raise the Lagrangian bound over the multipliers that are not 0; yield what is on the way.

    The bound is concave in the multipliers and each evaluation gives a supergradient, the excess
    of every row: a linear programme over the cuts so far says where to look next (Kelley's
    method, with a trust region).
    """
    tails = step_rows(problem)
    hot = _hot_rows(problem, multipliers, tails, budget)
    scale, limit = multipliers.copy(), np.full(len(multipliers), np.inf)
    for r, price in tails.items():
        scale[r] = price if r in hot else 0.0
        limit[r] = price
    active = np.flatnonzero(scale > 0.0)
    if not len(active):
        return
    best = multipliers.copy()
    for r, price in tails.items():
        best[r] = price
    trust, found = (1.0 if hot else TRUST), relax(problem, best)
    value, cuts = found.value, [Cut(best[active], found.value, found.slack[active])]
    yield found
    starts = _tail_starts(best, hot, tails)
    for _ in range(ROUNDS_WITH_TAILS if hot else ROUNDS):
        if budget.spent():
            return
        trial = next(starts, None)
        if trial is None:
            reach = trust * scale[active]
            step = highest_of_cuts(cuts, best[active], reach, limit[active], budget)
            if step is None or (trust >= 1.0 and step[1] - value < ENOUGH * abs(value)):
                return
            trial = best.copy()
            trial[active] = step[0]
        found = relax(problem, trial)
        yield found
        cuts.append(Cut(trial[active], found.value, found.slack[active]))
        gain = found.value - value
        if gain > 0.0:
            best, value = trial, found.value
        else:
            trust *= 0.7
        if trust < 0.02 or 0.0 < gain < ENOUGH * abs(value):
            return


def step_rows(problem: AssignmentProblem) -> dict[int, float]:
    """Rows by which a peak's variable follows the mean, with the most their price may be."""
    cost = {variable.counts: variable.cost for variable in problem.variables}
    peaks = {peak.variable for peak in problem.peaks}
    return {
        r: cost[counted]
        for r, row in enumerate(problem.rows)
        for counted, coefficient in row.variables.items()
        if counted in peaks and coefficient == -1.0 and len(row.variables) == 1
    }


def _hot_rows(
    problem: AssignmentProblem,
    multipliers: FloatArray,
    tails: dict[int, float],
    budget: TimeBudget,
) -> set[int]:
    """Step rows of the placements that are worth opening, one after the other.

    A placement whose step row has its full price has its tail for free; those that are used so
    get a priced tail instead, until no other is or enough have one.
    """
    column_of = {peak.variable: peak.column for peak in problem.peaks}
    row_of = {column_of[counted]: r for r in tails for counted in problem.rows[r].variables}
    trial, hot = multipliers.copy(), set[int]()
    for r, price in tails.items():
        trial[r] = price
    while len(hot) < MOST_TAILS and not budget.spent():
        used = np.bincount(relax(problem, trial).placement, minlength=problem.cost.shape[1])
        cold = [k for k in np.argsort(-used, kind="stable") if used[k] and row_of.get(k) not in hot]
        cold = [k for k in cold if k in row_of]
        if not cold:
            break
        hot.add(row_of[cold[0]])
        trial[row_of[cold[0]]] = 0.5 * tails[row_of[cold[0]]]
    return hot


def _tail_starts(best: FloatArray, hot: set[int], tails: dict[int, float]) -> Iterator[FloatArray]:
    """Multipliers that leave some of a step's price to the longest request."""
    for share in (0.5, 0.0) if hot else ():
        trial = best.copy()
        for r in hot:
            trial[r] = share * tails[r]
        yield trial
