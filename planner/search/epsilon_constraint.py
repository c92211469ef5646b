"""The epsilon-constraint heuristic: plans that are as tight in one limit as the others allow.

The relaxation is solved for the limit's own quantity, dispatched and evaluated; what was late
becomes a reserve of capacity, and it is solved again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from planner.bounds.bounding import Bounded, bound
from planner.bounds.surrogate import Surrogate
from planner.limits.extreme_problem import FACTOR, extreme_problem
from planner.limits.extremes import AGGREGATION_LOSS
from planner.limits.limit import Limit, limits_of
from planner.problem import PlacementProblem
from planner.quantities import Makespan
from planner.schedule.dispatch import dispatch
from planner.schedule.evaluation import Evaluation, evaluate
from planner.schedule.schedule import Schedule
from planner.schedule.violations import loosest
from planner.search.core_problem import solve_core
from planner.search.repricing import achieved_cost, end_ratios, timely
from planner.solvers.assignment_problem import AssignmentProblem
from planner.time_budget import TimeBudget

HEURISTIC_ROUNDS = 6
"""Times that a reserve is made for what was late."""
MIN_CAPACITY_SHARE = 0.2
"""Share of a pool's device-seconds below which none is taken off any more."""
MIN_BLOCK_SHARE = 0.1
"""Share of an LLM's device-seconds on a pool below which a concurrency gets no blocks of its own:
a device drains before each."""
RESERVE_MARGIN = 1e-6
"""Share by which a reserve is larger than what was late."""

EvaluatedSchedule = tuple[Schedule, Evaluation]


@dataclass(frozen=True)
class EpsilonConstraint:
    """Looks for plans that are tight in one limit and keep all others.

    The problem has that limit as given, which is not kept.
    """

    problem: PlacementProblem
    limit: Limit
    budget: TimeBudget
    seed: int = 0

    def plans(self, loose: float | None) -> Iterator[EvaluatedSchedule]:
        """Yield plans that keep every other limit, most often better and better ones.

        Nothing beyond the limit's value `loose` is of interest; None for any.
        """
        unlimited = self.limit.with_value(self.problem, None)
        surrogate = Surrogate(capacity=np.ones(len(self.problem.pools)))
        before: IntArray | None = None
        gap = np.inf
        for _ in range(HEURISTIC_ROUNDS):
            relaxation = extreme_problem(self.problem, self.limit, loose, surrogate)
            found = self._bounded(relaxation, gap)
            if found is None or self.budget.spent():
                return
            gap = AGGREGATION_LOSS * abs(found.lower_bound)
            placement, _ = solve_core(
                relaxation,
                found,
                self.budget,
                enough=found.lower_bound + 0.5 * gap,
                absolute_gap=gap,
                seed=self.seed,
            )
            reached = self._at_reached_value(found)
            if before is not None and (placement == before).all():
                return
            before = placement
            schedule = dispatch(reached, placement)
            evaluation = evaluate(unlimited, schedule)
            if evaluation.feasible:
                yield schedule, evaluation
            changed = self._with_reserve(surrogate, reached, schedule, evaluation)
            if changed is None:
                return
            surrogate = changed

    def _bounded(self, relaxation: AssignmentProblem, gap: float) -> Bounded | None:
        """Solve the relaxation; a first bound shows how fine the aggregates have to be."""
        workload = self.problem.requests.workload
        found = bound(relaxation, workload, self.budget, absolute_gap=gap)
        if found is None or np.isfinite(gap):
            return found
        gap = AGGREGATION_LOSS * abs(found.lower_bound)
        if found.regret <= gap:
            return found
        return bound(relaxation, workload, self.budget, absolute_gap=gap)

    def _at_reached_value(self, found: Bounded) -> PlacementProblem:
        """Return the problem with the value that the relaxation reaches, where it is a time."""
        if self.limit.kind == "deadline":
            return self.limit.with_value(self.problem, loosest(found.variables[Makespan()]))
        if self.limit.kind in ("own_deadlines", "available"):
            minimum = max(found.variables[FACTOR] * self.limit.given, 1e-12)
            return self.limit.with_value(self.problem, loosest(minimum))
        return self.limit.with_value(self.problem, None)

    def _with_reserve(
        self,
        surrogate: Surrogate,
        reached: PlacementProblem,
        schedule: Schedule,
        evaluation: Evaluation,
    ) -> Surrogate | None:
        """Lower each pool's capacity by what was late on it, and the caps by what rows do not see.

        Returns None where there is nothing to change.
        """
        before = np.ones(len(reached.pools)) if surrogate.capacity is None else surrogate.capacity
        factors = _capacity_factors(reached, schedule, before)
        capacity = np.clip(before * factors, MIN_CAPACITY_SHARE, 1.0)
        kept = surrogate.reserve
        reserve = {
            unit: _cap_reserve(kept.get(unit, 0.0), evaluation.total(reached, unit), cap)
            for unit, cap in reached.limits.caps.items()
        }
        repriced = self._underfilled(evaluation)
        cost_in = partial(achieved_cost, reached, schedule) if repriced else None
        allowed = timely(reached, schedule) & in_long_blocks(reached, schedule)
        same = np.allclose(capacity, before, rtol=1e-5, atol=0.0)
        same &= all(reserve[unit] == kept.get(unit, 0.0) for unit in reserve)
        same &= surrogate.allowed is not None
        if same and (cost_in is None) == (surrogate.cost_in is None):
            return None
        return replace(
            surrogate, capacity=capacity, reserve=reserve, cost_in=cost_in, allowed=allowed
        )

    def _underfilled(self, evaluation: Evaluation) -> bool:
        """Whether joules count and half-filled blocks changed them."""
        counts = self.limit.kind == "cap" or bool(self.problem.limits.caps)
        return counts and evaluation.underfill_j > 0.0


def _cap_reserve(before: float, total: float | None, cap: float) -> float:
    """Return what to keep free below a cap, given what a plan came to."""
    over = (total or 0.0) - cap
    return (
        max(0.0, before + (1.0 + RESERVE_MARGIN) * over) if before > 0.0 or over > 0.0 else before
    )


def epsilon_constraint_plans(
    problem: PlacementProblem, budget: TimeBudget, seed: int
) -> Iterator[Schedule]:
    """Yield schedules that are as tight as possible in one limit after the other, the others kept.

    Where nothing else finds a plan under tight limits, one of these may be tight enough.
    """
    for loose in (False, True):
        for limit in limits_of(problem):
            heuristic = EpsilonConstraint(problem, limit, budget, seed)
            for schedule, _ in heuristic.plans(limit.given if loose else None):
                yield schedule


def _capacity_factors(
    problem: PlacementProblem, schedule: Schedule, capacity: FloatArray
) -> FloatArray:
    """Factor of each pool's capacity: below 1 where it ends late, above where it has time left."""
    ratios = end_ratios(problem, schedule)
    changed = (ratios > 1.0) | ((ratios > 0.0) & (capacity < 1.0))
    inverse = ratios * (1.0 + RESERVE_MARGIN)
    return np.divide(1.0, inverse, out=np.ones_like(ratios), where=changed)


def in_long_blocks(problem: PlacementProblem, schedule: Schedule) -> BoolArray:
    """Pairs without the concurrencies that would make short blocks, shape (n, k).

    Requests that could run nowhere else keep theirs.
    """
    seconds = np.zeros(problem.k)
    for block in schedule.blocks:
        seconds[block.placement] += block.seconds
    allowed = np.ones(problem.k, dtype=bool)
    for k, placement in enumerate(problem.placements):
        alike = [
            j
            for j, other in enumerate(problem.placements)
            if (other.llm, other.pool) == (placement.llm, placement.pool)
        ]
        allowed[k] = seconds[k] >= MIN_BLOCK_SHARE * seconds[alike].sum()
    pairs = np.broadcast_to(allowed[None, :], (problem.n, problem.k))
    stuck = ~(problem.eligible & pairs).any(axis=1)
    return np.asarray(pairs | stuck[:, None])
