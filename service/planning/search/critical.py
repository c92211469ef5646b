"""The requests that hang in the balance, one by one: what cells settle only on average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from service.planning.bounds.activity import activities, at_variables, values_at
from service.planning.bounds.assignment_problem import AssignmentProblem
from service.planning.bounds.bounding import Bounded
from service.planning.bounds.elastic import elastic, without_excess
from service.planning.bounds.linear import solve_linear
from service.planning.clock import Deadline
from service.planning.search.restriction import restrict

MOST_REQUESTS = 2_000
"""Requests that the linear programme sees one by one."""
WORTH = 4.0
"""Times an excess that the requests to choose from are worth."""


@dataclass(frozen=True)
class Settled:
    """An assignment whose rows hold but for what its doubtful requests leave open.

    Attributes
    ----------
    placement
        Shape (n,).
    doubtful
        Requests that the linear programme splits, and others near the balance, nearest first.
    """

    placement: IntArray
    variables: dict[str, float]
    doubtful: IntArray


def settle(target: AssignmentProblem, bounded: Bounded, deadline: Deadline) -> Settled:
    """Solve the relaxation again over the requests whose placements differ least in cost."""
    priced, start = bounded.priced, bounded.placement
    second, other = priced.second_best(start)
    regret = second - priced.at(start)
    if target.n <= MOST_REQUESTS:
        return Settled(start, bounded.variables, np.argsort(regret, kind="stable"))
    needed = _needed(target, bounded, regret)
    chosen = np.union1d(_nearest(regret, start, other), needed)
    part = restrict(target, chosen, start)
    reduced = priced.of(chosen)
    own = np.arange(len(chosen)), start[chosen]
    within = reduced - reduced[own][:, None] <= max(0.0, float(regret[chosen].max()))
    within[own] = True
    solution = solve_linear(elastic(part), deadline, within & part.allowed)
    nearest = chosen[np.argsort(regret[chosen], kind="stable")]
    if solution is None:
        return Settled(start, bounded.variables, nearest)
    placement = start.copy()
    placement[chosen] = solution.counts.argmax(axis=1)
    split = chosen[solution.counts.max(axis=1) < 1.0 - 1e-6]
    doubtful = np.concatenate([split, nearest[~np.isin(nearest, split)]])
    return Settled(placement, without_excess(solution).variables, doubtful)


def _needed(target: AssignmentProblem, bounded: Bounded, regret: FloatArray) -> IntArray:
    """Return the nearest requests out of each exceeded row, worth several times its excess."""
    used = activities(target, bounded.placement)
    found = [np.empty(0, dtype=np.int64)]
    for row, activity in zip(target.rows, used.tolist(), strict=True):
        excess = activity + at_variables(row, bounded.variables) - row.bound
        if excess <= 0.0:
            continue
        there = np.flatnonzero((row.columns > 0.0)[bounded.placement] & np.isfinite(regret))
        there = there[np.argsort(regret[there], kind="stable")[: 2 * MOST_REQUESTS]]
        worth = values_at(row.values, bounded.placement[there], there)
        worth = worth * row.columns[bounded.placement[there]]
        enough = int(np.searchsorted(np.cumsum(worth), WORTH * excess)) + 1
        found.append(there[:enough])
    return np.concatenate(found)


def _nearest(regret: FloatArray, own: IntArray, other: IntArray) -> IntArray:
    """Return the requests of least regret, from and to each placement, shape (m,)."""
    width = int(max(own.max(), other.max())) + 1
    most = max(1, MOST_REQUESTS // (2 * width))
    pool = np.argpartition(regret, min(len(regret) - 1, 20 * MOST_REQUESTS))
    pool = pool[: 20 * MOST_REQUESTS]
    pool = pool[np.argsort(regret[pool], kind="stable")]
    pool = pool[np.isfinite(regret[pool])]
    taken = np.zeros(len(regret), dtype=bool)
    taken[pool[: MOST_REQUESTS // 2]] = True
    for side in (own, other):
        order = pool[np.argsort(side[pool], kind="stable")]
        counts = np.bincount(side[pool], minlength=width)
        rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        taken[order[rank < most]] = True
    return np.flatnonzero(taken)
