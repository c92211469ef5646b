"""First plans for a deadline, from the relaxation alone: quick, and often on time.

The relaxation sees device-seconds. What it does not see, a long request on a wide placement that
ends a block late, is left out beforehand; what is late all the same is priced anew once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from planner.bounds.bounding import bound
from planner.bounds.formulation import Formulation
from planner.bounds.pricing import Pricing
from planner.problem import PlacementProblem
from planner.schedule.dealing import deal
from planner.schedule.schedule import Schedule
from planner.search.candidates import latencies_s
from planner.search.repair import repair
from planner.search.repricing import achieved_cost, lateness_factors, timely
from planner.time_budget import TimeBudget

ROUNDS = 2
FEW_REQUESTS = 5_000
"""Above this many, mending what rounding broke takes longer than it is worth here."""


def hurried(problem: PlacementProblem, deadline_s: float, budget: TimeBudget) -> Iterator[Schedule]:
    """Yield schedules that aim at a deadline; they may miss it, or break another limit.

    Parameters
    ----------
    problem
        Its objective is minimised within the deadline.
    deadline_s
        To be met by all requests [s].
    budget
        Ends the search.
    """
    due = problem.with_limits(replace(problem.limits, deadline_s=deadline_s))
    pricing = Pricing(allowed=latencies_s(due, np.arange(due.k)) <= deadline_s)
    capacity = np.ones(len(due.pools))
    for _ in range(ROUNDS):
        formulation = Formulation(due, pricing)
        if budget.spent() or not formulation.allowed.any(axis=1).all():
            return
        relaxation = formulation.build()
        found = bound(relaxation, due.requests.workload, budget)
        if found is None:
            return
        placement = found.placement
        if due.n <= FEW_REQUESTS:
            placement = repair(relaxation, placement, found.variables)
        schedule = deal(due, placement)
        yield schedule
        capacity = capacity * lateness_factors(due, schedule)
        pricing = Pricing(partial(achieved_cost, due, schedule), capacity, timely(due, schedule))
