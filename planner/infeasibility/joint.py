"""Limits that mend a conflict only together: all are loosened by one common share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isfinite, sqrt

from planner.errors import LimitChange
from planner.infeasibility.intervals import ATTEMPT_S, MAX_WIDTH, FindPlan
from planner.limits.extremes import proven_extreme
from planner.limits.limit import Limit, keep_own_order
from planner.problem import PlacementProblem
from planner.schedule.dispatch import dispatch
from planner.schedule.evaluation import evaluate
from planner.search.candidates import simple_policies
from planner.search.epsilon_constraint import EvaluatedSchedule
from planner.time_budget import TimeBudget

Prove = Callable[[PlacementProblem, TimeBudget], bool]
"""Whether it is proven, within a time budget, that a problem has no plan."""
MAX_JOINT_BISECTIONS = 20
ANY_GAP = 1e6
"""Relative gap within which every plan is."""
MAX_SHARE = 1e6
"""Share by which a limit is loosened that is as good as off."""


@dataclass
class Joint:
    """Closes in on the least share at which a plan exists, from both sides.

    A verified plan, `found`, keeps the limits loosened by `share`, inf before the first; none
    exists at `proven`. `alone` has the tightest values of limits, by name, that plans keep which
    keep all other limits as given.
    """

    problem: PlacementProblem
    limits: list[Limit]
    attempt: FindPlan
    prove: Prove
    budget: TimeBudget
    seed: int
    share: float = float("inf")
    proven: float = 0.0
    found: EvaluatedSchedule | None = field(default=None, repr=False)
    alone: dict[str, float] = field(default_factory=dict)

    def compare_policies(self) -> None:
        """Take the simple policy that needs least: known at once, where a search takes seconds."""
        free = self._loosened(None)
        for _, placement in simple_policies(free, self.seed):
            if placement is not None:
                schedule = dispatch(free, placement)
                evaluation = evaluate(free, schedule)
                if evaluation.feasible:
                    self._offer((schedule, evaluation))

    def narrow(self, notify: Callable[[], None]) -> None:
        """Try shares between both sides until they are close or time is out."""
        low = self.proven
        for _ in range(MAX_JOINT_BISECTIONS):
            notify()
            wide = (1.0 + self.share) / (1.0 + low) - 1.0 > MAX_WIDTH
            if not isfinite(self.share) or not wide or self.budget.spent():
                return
            middle = sqrt((1.0 + low) * (1.0 + self.share)) - 1.0
            changed = self._loosened(middle)
            if self.prove(changed, self.budget):
                low = self.proven = middle
            elif not self._offer(self._plan(changed)):
                low = middle

    def relaxations(self) -> Iterator[tuple[LimitChange, ...]]:
        """Yield the limits that have to move and how far, more and more of it proven."""
        if self.found is None:
            return
        moved = self._moved(self.found)
        known = {limit.name: _limit_change(limit, needed, None) for limit, needed in moved}
        yield tuple(known.values())
        for limit, needed in moved:
            known[limit.name] = _limit_change(limit, needed, self._proven_alone(limit))
            yield tuple(known.values())

    def _loosened(self, share: float | None) -> PlacementProblem:
        """Return the problem with all limits loosened by a share, or taken off."""
        changed = self.problem
        for limit in self.limits:
            changed = limit.with_value(changed, None if share is None else _by_share(limit, share))
        return changed

    def _plan(self, changed: PlacementProblem) -> EvaluatedSchedule | None:
        if self.budget.spent():
            return None
        return self.attempt(changed, min(ATTEMPT_S, self.budget.left_s), ANY_GAP)

    def _offer(self, found: EvaluatedSchedule | None) -> bool:
        """Keep a plan if it needs a smaller share; whether there was one."""
        found = found and keep_own_order(self.problem, self.limits, found)
        if found is None:
            return False
        moved = self._moved(found)
        share = max((_share(limit, value) for limit, value in moved), default=0.0)
        if share < self.share and all(isfinite(value) for _, value in moved):
            self.share, self.found = share, found
        if len(moved) == 1:
            (limit, value), known = moved[0], self.alone.get(moved[0][0].name)
            if known is None or (known - value) * limit.direction > 0.0:
                self.alone[limit.name] = value
        return True

    def _moved(self, found: EvaluatedSchedule) -> list[tuple[Limit, float]]:
        """Return the limits that a plan does not keep, and how far each would have to move."""
        achieved = ((limit, limit.achieved(self.problem, *found)) for limit in self.limits)
        return [(limit, v) for limit, v in achieved if (v - limit.given) * limit.direction > 0.0]

    def _proven_alone(self, limit: Limit) -> float | None:
        """Return what a limit needs at least, whatever the others are."""
        alone = self.problem
        for other in self.limits:
            if other.name != limit.name:
                alone = other.with_value(alone, None)
        return proven_extreme(alone, limit, None, self.budget)


def _limit_change(limit: Limit, needed: float, proven: float | None) -> LimitChange:
    within = sorted((limit.given, needed))
    bound = limit.given if proven is None else min(max(proven, within[0]), within[1])
    return LimitChange(limit.name, float(limit.given), float(needed), float(bound))


def _by_share(limit: Limit, share: float) -> float:
    return limit.given * (1.0 + share) if limit.direction > 0 else limit.given / (1.0 + share)


def _share(limit: Limit, achieved: float) -> float:
    """Return the share by which a limit has to be loosened for a plan."""
    given, value = (limit.given, achieved) if limit.direction > 0.0 else (achieved, limit.given)
    return min(max(0.0, value / given - 1.0), MAX_SHARE) if given > 0.0 else MAX_SHARE
