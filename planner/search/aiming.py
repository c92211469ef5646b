"""Plans that push one limit as far as it goes: assign, deal out, see what is late, make room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from planner.bounds.bounding import Bounded, bound
from planner.bounds.pricing import Pricing
from planner.limits.extremes import CLOSE
from planner.limits.knobs import Knob, knobs_of
from planner.limits.targets import AIM, target
from planner.problem import PlacementProblem
from planner.quantities import Makespan
from planner.schedule.dealing import deal
from planner.schedule.evaluation import Evaluation, evaluate
from planner.schedule.schedule import Schedule
from planner.schedule.violations import loosest
from planner.search.hardest import decide_hardest
from planner.search.repricing import achieved_cost, timely
from planner.solvers.assignment_problem import AssignmentProblem
from planner.time_budget import TimeBudget

ROUNDS = 6
"""Times that room is made for what was late."""
LEAST_SHARE = 0.2
"""Share of a pool's device-seconds below which none is taken off any more."""
SHORT_BLOCK = 0.1
"""Share of an LLM's device-seconds on a pool below which a concurrency gets no blocks of its own:
a device drains before each."""
MARGIN = 1e-6
"""By how much more than what was late the room is made."""

Found = tuple[Schedule, Evaluation]


@dataclass(frozen=True)
class Aim:
    """Looks for plans that are tight in one limit and keep all others.

    Attributes
    ----------
    problem
        With the limit as given, which is not kept.
    """

    problem: PlacementProblem
    knob: Knob
    budget: TimeBudget
    seed: int = 0

    def plans(self, loose: float | None) -> Iterator[Found]:
        """Yield plans that keep every other limit, most often better and better ones.

        Parameters
        ----------
        loose
            A value of the limit beyond which nothing is of interest; None for any.
        """
        open_problem = self.knob.turn(self.problem, None)
        pricing = Pricing(capacity=np.ones(len(self.problem.pools)))
        before: IntArray | None = None
        gap = np.inf
        for _ in range(ROUNDS):
            relaxation = target(self.problem, self.knob, loose, pricing).relaxation
            found = self._relaxed(relaxation, gap)
            if found is None or self.budget.spent():
                return
            gap = CLOSE * abs(found.lower_bound)
            placement, _ = decide_hardest(
                relaxation,
                found,
                self.budget,
                enough=found.lower_bound + 0.5 * gap,
                absolute_gap=gap,
                seed=self.seed,
            )
            aimed_at = self._aimed_at(found)
            if before is not None and (placement == before).all():
                return
            before = placement
            schedule = deal(aimed_at, placement)
            evaluation = evaluate(open_problem, schedule)
            if evaluation.feasible:
                yield schedule, evaluation
            changed = self._make_room(pricing, aimed_at, schedule, evaluation)
            if changed is None:
                return
            pricing = changed

    def _relaxed(self, relaxation: AssignmentProblem, gap: float) -> Bounded | None:
        """Solve the relaxation; a first look tells how fine the cells have to be."""
        workload = self.problem.requests.workload
        found = bound(relaxation, workload, self.budget, absolute_gap=gap)
        if found is None or np.isfinite(gap):
            return found
        gap = CLOSE * abs(found.lower_bound)
        if found.regret <= gap:
            return found
        return bound(relaxation, workload, self.budget, absolute_gap=gap)

    def _aimed_at(self, found: Bounded) -> PlacementProblem:
        """Return the problem with the value that the relaxation reaches, where it is a time."""
        if self.knob.kind == "deadline":
            return self.knob.turn(self.problem, loosest(found.variables[Makespan()]))
        if self.knob.kind in ("own_deadlines", "available"):
            least = max(found.variables[AIM] * self.knob.given, 1e-12)
            return self.knob.turn(self.problem, loosest(least))
        return self.knob.turn(self.problem, None)

    def _make_room(
        self,
        pricing: Pricing,
        aimed_at: PlacementProblem,
        schedule: Schedule,
        evaluation: Evaluation,
    ) -> Pricing | None:
        """Take off each pool what was late on it, and off the cap what the rows did not see.

        Returns None where there is nothing to change.
        """
        before = np.ones(len(aimed_at.pools)) if pricing.capacity is None else pricing.capacity
        capacity = np.clip(before * _room(aimed_at, schedule, before), LEAST_SHARE, 1.0)
        slack = {
            unit: _slack(pricing.slack.get(unit, 0.0), evaluation.total(aimed_at, unit), cap)
            for unit, cap in aimed_at.limits.caps.items()
        }
        cost_in = (
            partial(achieved_cost, aimed_at, schedule) if self._underfilled(evaluation) else None
        )
        allowed = timely(aimed_at, schedule) & in_long_blocks(aimed_at, schedule)
        settled = np.allclose(capacity, before, rtol=1e-5, atol=0.0)
        settled &= all(slack[u] == pricing.slack.get(u, 0.0) for u in slack)
        settled &= pricing.allowed is not None
        if settled and (cost_in is None) == (pricing.cost_in is None):
            return None
        return replace(pricing, capacity=capacity, slack=slack, cost_in=cost_in, allowed=allowed)

    def _underfilled(self, evaluation: Evaluation) -> bool:
        """Whether joules count and half-filled blocks changed them."""
        counts = self.knob.kind == "cap" or bool(self.problem.limits.caps)
        return counts and evaluation.underfill_j > 0.0


def _slack(before: float, total: float | None, cap: float) -> float:
    """Return what to keep free below a cap, given what a plan came to."""
    over = (total or 0.0) - cap
    return max(0.0, before + (1.0 + MARGIN) * over) if before > 0.0 or over > 0.0 else before


def aimed_plans(problem: PlacementProblem, budget: TimeBudget, seed: int) -> Iterator[Schedule]:
    """Yield schedules that push one limit after the other as far as it goes, the others kept.

    Where nothing else finds a plan under tight limits, one of these may be tight enough.
    """
    for loose in (False, True):
        for knob in knobs_of(problem):
            aim = Aim(problem, knob, budget, seed)
            for schedule, _ in aim.plans(knob.given if loose else None):
                yield schedule


def _room(problem: PlacementProblem, schedule: Schedule, capacity: FloatArray) -> FloatArray:
    """Factor of each pool's capacity: below 1 where it ends late, above where it has time left."""
    factors = np.ones(len(problem.pools))
    pool = problem.pool_of[schedule.placement]
    for index in range(len(problem.pools)):
        members = np.flatnonzero(pool == index)
        if not len(members):
            continue
        latest = problem.latest_s(members, schedule.placement[members])
        # A deadline of next to nothing is exceeded beyond any number: then there is no room.
        with np.errstate(over="ignore"):
            excess = float((schedule.end_s[members] / latest).max())
        if excess > 1.0 or (excess > 0.0 and capacity[index] < 1.0):
            factors[index] = 1.0 / (excess * (1.0 + MARGIN))
    return factors


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
        allowed[k] = seconds[k] >= SHORT_BLOCK * seconds[alike].sum()
    pairs = np.broadcast_to(allowed[None, :], (problem.n, problem.k))
    stuck = ~(problem.eligible & pairs).any(axis=1)
    return np.asarray(pairs | stuck[:, None])
