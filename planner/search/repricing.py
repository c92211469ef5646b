"""The way from a relaxation to a schedule by the surrogate that its last schedule calls for."""

from __future__ import annotations

from functools import partial

import numpy as np

from costmodel.arrays import BoolArray, FloatArray
from planner.bounds import pair_bounds
from planner.bounds.bounding import Bounded, bound
from planner.bounds.formulation import Formulation
from planner.bounds.surrogate import Surrogate
from planner.inputs import Unit
from planner.problem import PlacementProblem
from planner.schedule.evaluation import Evaluation
from planner.schedule.schedule import Schedule
from planner.schedule.violations import loosest
from planner.search.improvement import Improvement
from planner.solvers.assignment_problem import AssignmentProblem

REPRICING_ROUNDS = 3
"""Times that the assignment is repriced from its dispatched schedule."""


class Repricing(Improvement):
    """Assigns, dispatches, evaluates and reprices, again and again."""

    def run(self, relaxation: AssignmentProblem, start: Bounded, surrogate: Surrogate) -> float:
        """Improve the incumbent; return the best lower bound that was proven on the way."""
        lower = start.lower_bound
        bounded = start
        for attempt in range(REPRICING_ROUNDS):
            assigned, proven = self.assign(relaxation, bounded, lower)
            if attempt == 0:
                lower = max(lower, proven)
            offered = self.incumbent.offer_placement(assigned)
            if offered is None or self.incumbent.objective <= lower + self.absolute_gap:
                break
            if self.budget.spent():
                break
            surrogate = reprice(self.problem, surrogate, *offered)
            relaxation = Formulation(self.problem, surrogate).build()
            workload, gap = self.problem.requests.workload, self.absolute_gap
            found = bound(relaxation, workload, self.budget, absolute_gap=gap)
            if found is None:
                break
            bounded = found
        return lower


def reprice(
    problem: PlacementProblem, surrogate: Surrogate, schedule: Schedule, evaluation: Evaluation
) -> Surrogate:
    """Price placements at the concurrency achieved, and lower capacities where it ended late."""
    capacity = surrogate.capacity
    capacity = np.ones(len(problem.pools)) if capacity is None else capacity
    reserve = dict(surrogate.reserve)
    for unit, cap in problem.limits.caps.items():
        over = (evaluation.total(problem, unit) or 0.0) - cap
        reserve[unit] = reserve.get(unit, 0.0) + 1.05 * max(0.0, over)
    return Surrogate(
        partial(achieved_cost, problem, schedule),
        capacity * lateness_factors(problem, schedule),
        timely(problem, schedule),
        reserve,
        surrogate.deadlines,
    )


def achieved_cost(problem: PlacementProblem, schedule: Schedule, unit: Unit) -> FloatArray:
    """Cost of each pair at the concurrency that was achieved, idle savings off, shape (n, k)."""
    cost, rates = problem.costs.energy_j.copy(), problem.rates_in(unit)
    slot_s, seconds = np.zeros(problem.k), np.zeros(problem.k)
    for block in schedule.blocks:
        slot_s[block.placement] += block.slot_seconds
        seconds[block.placement] += block.seconds
    lower = pair_bounds.min_pair_cost(problem, unit)
    for k, placement in enumerate(problem.placements):
        pool = problem.pools[placement.pool]
        if seconds[k] == 0.0:
            cost[:, k] = lower[:, k]
            continue
        achieved = float(np.clip(slot_s[k] / seconds[k], 1.0, placement.concurrency))
        if achieved < placement.concurrency:
            cost[:, k] = problem.energy_at_j(k, slice(None), achieved)
        per_joule, per_second = rates.per_joule[placement.pool], rates.per_second[placement.pool]
        on_cost = per_second if pool.power_policy == "power_down" else 0.0
        on_cost -= pool.always_on_watts * per_joule
        stretch = placement.concurrency / achieved
        cost[:, k] *= per_joule
        cost[:, k] += on_cost * stretch * problem.costs.device_seconds[:, k]
    return cost


def lateness_factors(problem: PlacementProblem, schedule: Schedule) -> FloatArray:
    """Share of each pool's capacity to keep, from how late its requests ended, (pools,)."""
    late = np.maximum(0.0, end_ratios(problem, schedule) - 1.0)
    return np.where(late > loosest(1.0) - 1.0, np.maximum(0.3, 0.995 / (1.0 + late)), 1.0)


def end_ratios(problem: PlacementProblem, schedule: Schedule) -> FloatArray:
    """Largest end over the time allowed among the requests of each pool, 0 for none, (pools,)."""
    latest = problem.latest_s(np.arange(problem.n), schedule.placement)
    found = np.zeros(len(problem.pools))
    # A deadline of next to nothing is exceeded beyond any number.
    with np.errstate(over="ignore"):
        np.maximum.at(found, problem.pool_of[schedule.placement], schedule.end_s / latest)
    return found


def timely(problem: PlacementProblem, schedule: Schedule) -> BoolArray:
    """Pairs whose slot time, at the schedule's mix, fits before their deadline, shape (n, k)."""
    allowed = np.ones((problem.n, problem.k), dtype=bool)
    latest = problem.deadline_s
    if not np.isfinite(latest).any():
        return allowed
    for k, placement in enumerate(problem.placements):
        if placement.concurrency == 1:
            continue
        members = np.flatnonzero(schedule.placement == k)
        everyone = members if len(members) else np.flatnonzero(problem.eligible[:, k])
        if not len(everyone):
            continue
        output = problem.requests.workload.output_tokens.astype(float)
        generated = problem.requests.workload.generated_tokens.astype(float)
        seconds = problem.costs.device_seconds[everyone, k].sum() * placement.concurrency
        slot = output * (seconds / generated[everyone].sum())
        allowed[:, k] = slot + problem.setup_s[k] <= latest
    return allowed
