"""Better multipliers on the full data, by cutting planes around those of the cells."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray
from service.planning.lagrangian import reduced_costs, variable_prices
from service.planning.linear import highest_of_cuts
from service.planning.linear_rows import AssignmentProblem

ROUNDS = 10
TRUST = 0.3
"""Largest relative step of a multiplier in one round; halved when a round does not gain."""


ENOUGH = 1e-6
"""Relative gain of a round below which the next one is not worth its pass over the data."""


def polish(problem: AssignmentProblem, multipliers: FloatArray) -> FloatArray:
    """Raise the Lagrangian bound over the multipliers that are not 0.

    The bound is concave in the multipliers and each evaluation gives a supergradient, the slack
    of every row: a linear programme over the cuts so far says where to look next (Kelley's
    method, with a trust region).
    """
    active = np.flatnonzero(multipliers > 0.0)
    if not len(active):
        return multipliers
    best, trust = multipliers.copy(), TRUST
    value, slope = _evaluate(problem, best)
    cuts = [(best[active], value, slope[active])]
    for _ in range(ROUNDS):
        step = highest_of_cuts(cuts, best[active], trust)
        if step is None:
            break
        trial = best.copy()
        trial[active] = step
        found, slope = _evaluate(problem, trial)
        cuts.append((step, found, slope[active]))
        gain = found - value
        if gain > 0.0:
            best, value = trial, found
        else:
            trust *= 0.5
        if 0.0 < gain < ENOUGH * abs(value):
            break
    return best


def _evaluate(problem: AssignmentProblem, multipliers: FloatArray) -> tuple[float, FloatArray]:
    """Return the bound, links and peaks relaxed, and its supergradient."""
    reduced = reduced_costs(problem, multipliers)
    chosen = reduced.argmin(axis=1)
    rows = np.arange(len(chosen))
    sizes = problem.sizes
    value = problem.constant + float((reduced[rows, chosen] * sizes).sum())
    prices = variable_prices(problem, multipliers)
    at = {v.name: v.lower if prices[v.name] >= 0.0 else v.upper for v in problem.variables}
    value += sum(prices[name] * level for name, level in at.items())
    slope = np.empty(len(problem.rows))
    for r, row in enumerate(problem.rows):
        used = float((row.at(rows, chosen) * sizes).sum())
        used += sum(c * at[name] for name, c in row.variables.items())
        slope[r] = used - row.bound
        value -= multipliers[r] * row.bound
    return value, slope
