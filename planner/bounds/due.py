"""Deadlines whose row an assignment breaks: with many distinct ones, only those get rows.

Work that is due by a deadline has to fit before it, for every pool and every distinct deadline.
Thousands of rows would be needed of which few bind, so that they are added when they are broken.
"""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.bounds.activity import values_at
from planner.bounds.formulation import Formulation

MOST_ADDED = 8
SLIGHT = 1e-4
"""Share of its room by which a deadline's row may be exceeded before it gets its own."""


def with_broken_deadlines(formulation: Formulation, placement: IntArray) -> FloatArray | None:
    """Return the deadlines that have rows and those whose rows an assignment breaks most.

    Parameters
    ----------
    placement
        Placement of each request, shape (n,).

    Returns
    -------
    FloatArray or None
        Rising, shape (D,); None where every deadline's row holds.
    """
    problem = formulation.problem
    if problem.deadlines.count - 1 <= len(formulation.deadlines):
        return None
    work = values_at(formulation.due, placement, None)
    excess = np.full(problem.deadlines.count, -np.inf)
    for index in range(len(problem.pools)):
        members = problem.pool_of[placement] == index
        ranks = problem.deadlines.rank[members].astype(np.int64)
        due = np.cumsum(
            np.bincount(ranks, weights=work[members], minlength=problem.deadlines.count)
        )
        room = formulation.room_until(index, problem.deadlines.distinct_s)
        np.maximum(excess, due / np.maximum(room, 1e-12) - 1.0, out=excess)
    excess[-1] = -np.inf
    excess[np.isin(problem.deadlines.distinct_s, formulation.deadlines)] = -np.inf
    worst = np.argsort(-excess, kind="stable")[:MOST_ADDED]
    worst = worst[excess[worst] > SLIGHT]
    if not len(worst):
        return None
    added = problem.deadlines.distinct_s[worst]
    return np.unique(np.concatenate([formulation.deadlines, added]))
