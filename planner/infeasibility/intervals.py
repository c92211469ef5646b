"""The interval of what a limit needs: proven from below, achieved by a verified plan from above."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isfinite

from planner.errors import LimitChange
from planner.inputs import Objective
from planner.limits.extremes import proven_extreme
from planner.limits.limit import Limit, keep_own_order
from planner.problem import PlacementProblem
from planner.search.epsilon_constraint import EpsilonConstraint, EvaluatedSchedule
from planner.time_budget import TimeBudget

FindPlan = Callable[[PlacementProblem, float, float], EvaluatedSchedule | None]
"""Looks for a plan within some seconds, to a relative gap; None where it found none."""
MAX_WIDTH = 1e-3
"""Width, as a share of what is needed, down to which an interval is narrowed."""
MAX_MISSES = 2
"""Plans in a row that are no better, after which the epsilon-constraint heuristic ends."""
ATTEMPT_S = 3.0
ATTEMPT_GAP = 0.05
"""Relative gap of a plan that only shows that there is one."""
SPLIT_SHARES = (0.5, 0.25, 0.75, 0.125)
"""Where between both sides a value is tried, one after the other; 0 is the proven side."""
MAX_BISECTIONS = 12


@dataclass
class LimitInterval:
    """The interval of what one limit needs, narrowed step by step.

    No plan keeps a tighter value than `proven`; a verified plan keeps `achieved`. Each is None at
    first.
    """

    problem: PlacementProblem
    limit: Limit
    attempt: FindPlan
    budget: TimeBudget
    seed: int = 0
    proven: float | None = None
    achieved: float | None = None
    _plans: Iterator[EvaluatedSchedule] | None = field(default=None, repr=False)
    _misses: int = field(default=0, repr=False)
    _steps: list[Callable[[], object]] = field(default_factory=list, repr=False)
    _bisections: int = field(default=0, repr=False)

    def initialise(self) -> None:
        """Prove and achieve a first value each, unless the limit cannot mend it alone."""
        self._prove(None)
        if self.proven is not None and not isfinite(self.proven):
            self._bisections = MAX_BISECTIONS
            return
        self._plans = self._heuristic(None)
        self._next_plan()
        if self.achieved is None:
            self._attempt(None)
        if self.limit.kind in ("cap", "quality"):
            self._steps.append(lambda: self._attempt(None))
        self._steps.append(lambda: self._prove(self.achieved))

    def _heuristic(self, loose: float | None) -> Iterator[EvaluatedSchedule]:
        return EpsilonConstraint(self.problem, self.limit, self.budget, self.seed).plans(loose)

    def narrow(self) -> None:
        """Look for a tighter plan, or prove that there is none, one step further."""
        if self.proven is None or self.achieved is None:
            self._bisections = MAX_BISECTIONS
        elif self._plans is not None:
            self._next_plan()
        elif self._steps:
            self._steps.pop(0)()
        else:
            self._bisect()

    def _next_plan(self) -> None:
        """Take the heuristic's next plan, as long as they get better."""
        before, found = self.achieved, next(self._plans or iter(()), None)
        if found is not None:
            self._offer(found)
            self._misses = 0 if self.achieved != before else self._misses + 1
        if found is None or self._misses == MAX_MISSES:
            self._plans = None

    def _bisect(self) -> None:
        """Try a value between both sides: no plan may be better, or a plan may be found there."""
        if self.proven is None or self.achieved is None:
            return
        share = SPLIT_SHARES[self._bisections % len(SPLIT_SHARES)]
        self._bisections += 1
        value = self.limit.whole(self.proven + share * (self.achieved - self.proven))
        if self._prove(value):
            return
        before = self.achieved
        for found in self._heuristic(value):
            self._offer(found)
            if self.achieved != before:
                return
        self._attempt(value)

    @property
    def width(self) -> float:
        """Distance of both sides as a share of what is needed; inf while one is missing."""
        if self.proven is None or self.achieved is None:
            return float("inf")
        size = max(abs(self.achieved), abs(self.proven))
        return abs(self.achieved - self.proven) / size if size > 0.0 else 0.0

    @property
    def done(self) -> bool:
        """Whether more time would not be spent well."""
        ended = self.width <= MAX_WIDTH or self._bisections >= MAX_BISECTIONS
        return ended or self._one_request_apart

    @property
    def _one_request_apart(self) -> bool:
        if self.proven is None or self.achieved is None or self.limit.llm is None:
            return False
        unit = 1.0 if self.limit.counts else 1.0 / self.problem.n
        return abs(self.achieved - self.proven) <= unit * (1.0 + 1e-9)

    def relaxation(self) -> LimitChange | None:
        """Return what was proven and achieved; None while no plan was, or is no number.

        That the value as given has no plan is proven from the start.
        """
        if self.achieved is None or not isfinite(self.achieved):
            return None
        name, given = self.limit.name, float(self.limit.given)
        proven = given if self.proven is None else float(self.proven)
        return LimitChange(name, given, float(self.achieved), proven)

    def _prove(self, loose: float | None) -> bool:
        """Look only at plans that keep `loose` and raise the proven side; whether none keeps it."""
        found = proven_extreme(self.problem, self.limit, loose, self.budget)
        if found is None:
            return False
        found = self._no_tighter(found, self.limit.given)
        self.proven = found if self.proven is None else self._no_tighter(found, self.proven)
        return found == loose

    def _attempt(self, loose: float | None) -> None:
        if self.budget.spent():
            return
        changed = self.limit.with_value(self.problem, loose)
        if self.limit.unit is not None:
            changed = changed.with_objective(Objective(minimise=self.limit.unit))
        elif self.limit.kind == "quality":
            changed = changed.with_objective(Objective(0.0))
        found = self.attempt(changed, min(ATTEMPT_S, self.budget.left_s), ATTEMPT_GAP)
        if found is not None:
            self._offer(found)

    def _offer(self, found: EvaluatedSchedule) -> None:
        kept = keep_own_order(self.problem, [self.limit], found)
        if kept is None:
            return
        value = self._no_tighter(self.limit.achieved(self.problem, *kept), self.limit.given)
        tighter = self.achieved is None or (self.achieved - value) * self.limit.direction > 0.0
        if tighter:
            self.achieved = value

    def _no_tighter(self, value: float, than: float) -> float:
        return max(value, than) if self.limit.direction > 0.0 else min(value, than)
