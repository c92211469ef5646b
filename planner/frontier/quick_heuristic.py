"""A quick heuristic: first plans for a deadline, from the relaxation alone, often on time.

The relaxation sees device-seconds. What it does not see, a long request on a wide placement that
ends a block late, is left out beforehand; what is late all the same is repriced once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from planner.bounds.bounding import bound
from planner.bounds.formulation import Formulation
from planner.bounds.surrogate import Surrogate
from planner.problem import PlacementProblem
from planner.schedule.dispatch import dispatch
from planner.schedule.schedule import Schedule
from planner.search.candidates import latencies_s
from planner.search.greedy_repair import greedy_repair
from planner.search.repricing import achieved_cost, lateness_factors, timely
from planner.time_budget import TimeBudget

QUICK_ROUNDS = 2
MAX_REPAIRED_REQUESTS = 5_000
"""Requests up to which what rounding broke is repaired; above, that takes too long here."""


def quick_schedules(
    problem: PlacementProblem, deadline_s: float, budget: TimeBudget
) -> Iterator[Schedule]:
    """Yield schedules made for a deadline of all requests [s]; they may break it, or another limit.

    The problem's objective is minimised within the deadline.
    """
    due = problem.with_limits(replace(problem.limits, deadline_s=deadline_s))
    surrogate = Surrogate(allowed=latencies_s(due, np.arange(due.k)) <= deadline_s)
    capacity = np.ones(len(due.pools))
    for _ in range(QUICK_ROUNDS):
        formulation = Formulation(due, surrogate)
        if budget.spent() or not formulation.allowed.any(axis=1).all():
            return
        relaxation = formulation.build()
        found = bound(relaxation, due.requests.workload, budget)
        if found is None:
            return
        placement = found.placement
        if due.n <= MAX_REPAIRED_REQUESTS:
            placement = greedy_repair(relaxation, placement, found.variables)
        schedule = dispatch(due, placement)
        yield schedule
        capacity = capacity * lateness_factors(due, schedule)
        surrogate = Surrogate(
            partial(achieved_cost, due, schedule), capacity, timely(due, schedule)
        )
