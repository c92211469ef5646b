"""The walk along a front: its two ends, then one limit after the other in order.

Each level is solved in two stages. The first minimises one axis under a limit on the other; the
second, where that limit leaves slack, improves the limited axis at the joules (or the quality) of
the first, so that a plan that is beaten on one axis and equalled on the other does not pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from service.planning.clock import Deadline
from service.planning.frontier.axes import limited_and_minimised, objective_for
from service.planning.frontier.filtering import Outlet
from service.planning.frontier.levels import next_level
from service.planning.frontier.points import Candidate, Ends, Front, Step, Summary
from service.planning.frontier.seeking import HeadStart, seek
from service.planning.frontier.soonest import MOST_STEPS, soonest
from service.planning.errors import UnplaceableError
from service.planning.problem import PlacementProblem
from service.planning.result import Plan, SolverOptions
from service.planning.search.exact import small_enough

END_WEIGHT = 2.0
"""Time of an end against that of a level between: the range of all others hangs on it."""
TIDY_STEPS = 4
"""Deadlines tried in a second stage, where no exact search settles it."""
FIRST_STAGE = 0.6
"""Share of a level's time that its first stage may take."""


def trace(
    problem: PlacementProblem, front: Front, options: SolverOptions | None = None
) -> Iterator[Step]:
    """Yield the ends of a front, its points in ascending order of the first axis, and a summary.

    Parameters
    ----------
    problem
        Its limits hold for every point; its objective gives way to the axes.
    front
        Axes and number of levels.
    options
        `time_limit_s` is for the whole front; `relative_gap` and `seed` for each level.

    Raises
    ------
    UnplaceableError, InfeasibleError, UndecidedError
        Before anything is yielded, as for `plan`.
    """
    problem = replace(problem, objective=objective_for(front.axes))
    unplaceable = problem.unplaceable()
    if unplaceable:
        raise UnplaceableError(unplaceable)
    yield from Sweep(problem, front, options or SolverOptions()).walk()


class Sweep:
    """One walk along a front."""

    def __init__(self, problem: PlacementProblem, front: Front, options: SolverOptions) -> None:
        self.limited, self.minimised = limited_and_minimised(front.axes)
        self.problem = self.minimised.aim(problem)
        self.options = options
        self.between = front.points - 2
        # Ascending along the first axis: costs rise but for an axis of which more is better.
        first_is_limited = front.axes[0] == self.limited.name
        first_sign = self.limited.sign if first_is_limited else self.minimised.sign
        self.loosening = first_is_limited == (first_sign > 0.0)
        self.clock = Deadline(options.time_limit_s)
        self.exact = small_enough(problem)
        self.cut = False

    def walk(self) -> Iterator[Step]:
        """Yield ends, points and summary."""
        loosest = self._least_minimised()
        tightest, bound = self._least_limited(loosest)
        gap = self.limited.relative_gap(self.problem, tightest.limited_cost, bound)
        yield Ends(self.limited, self.minimised, loosest, tightest, bound, gap)
        outlet = Outlet(self.loosening)
        first, last = (tightest, loosest) if self.loosening else (loosest, tightest)
        yield from outlet.offer(first)
        levels = self._levels(first, last, loosest, tightest)
        unsolved: tuple[float, ...] = ()
        for step in levels:
            if isinstance(step, Candidate):
                yield from outlet.offer(step)
            else:
                unsolved = step
        yield from outlet.offer(last)
        yield from outlet.close()
        status = "cut_by_clock" if self.cut or unsolved else "complete"
        yield Summary(outlet.count, outlet.dominated, unsolved, tuple(outlet.late), status)

    def _levels(
        self, first: Candidate, last: Candidate, loosest: Candidate, tightest: Candidate
    ) -> Iterator[Candidate | tuple[float, ...]]:
        """Solve the levels between the ends; at last yield those for which no time was left."""
        level, end, known = first.limited_cost, last.limited_cost, first
        slack = self.options.relative_gap * abs(loosest.limited_cost - tightest.limited_cost)
        for left in range(self.between, 0, -1):
            if not self.loosening:
                level = min(level, known.limited_cost)
            if abs(level - end) <= 1e-9 * max(abs(level), abs(end)):
                return
            level = next_level(level, end, left, by_ratio=self.limited.by_ratio)
            if self.clock.passed():
                yield self._unsolved(level, end, left)
                return
            fallback, proven = (known, loosest) if self.loosening else (tightest, known)
            known = self._at(level, fallback, proven.bound, self._options(1.0, left), slack)
            yield known

    def _unsolved(self, level: float, end: float, left: int) -> tuple[float, ...]:
        found = [level]
        for remaining in range(left - 1, 0, -1):
            found.append(next_level(found[-1], end, remaining, by_ratio=self.limited.by_ratio))
        return tuple(self.limited.sign * cost for cost in found)

    def _least_minimised(self) -> Candidate:
        """Return the end of least minimised cost."""
        options = self._options(END_WEIGHT, self.between + 2 * END_WEIGHT)
        sought = seek(self.problem, self._part(options, FIRST_STAGE))
        if sought.plan is None:
            raise sought.failure()
        bound = sought.lower_bound * self.minimised.objective_unit(self.problem)
        plan = self._tidied(sought.plan, self.problem, self._part(options, 1.0 - FIRST_STAGE))
        return self._candidate(plan, bound, cut=sought.plan.cut_by_clock)

    def _least_limited(self, known: Candidate) -> tuple[Candidate, float]:
        """Return the end of least limited cost, and a proven bound on that cost."""
        options = self._options(END_WEIGHT, self.between + END_WEIGHT)
        best, bound = self._best_limited(
            self.problem, known.plan, self._part(options, FIRST_STAGE), MOST_STEPS
        )
        cost = min(self.limited.cost(best), known.limited_cost)
        if cost == known.limited_cost:
            best = known.plan
        start = HeadStart((best,), self._objective(known.bound))
        found = self._first_stage(cost, start, self._part(options, 1.0 - FIRST_STAGE))
        return found, min(bound, found.limited_cost)

    def _at(
        self,
        level: float,
        fallback: Candidate,
        proven: float,
        options: SolverOptions,
        slack: float,
    ) -> Candidate:
        """Solve one level; a plan that keeps it and a bound that holds at it are known."""
        start = HeadStart((fallback.plan,), self._objective(proven))
        found = self._first_stage(level, start, self._part(options, FIRST_STAGE))
        if not self.exact and found.limited_cost > level - slack:
            return found
        limited = self.limited.limit(self.problem, level)
        plan = self._tidied(found.plan, limited, self._part(options, 1.0 - FIRST_STAGE))
        return self._candidate(plan, found.bound, cut=found.cut_by_clock)

    def _first_stage(self, level: float, start: HeadStart, options: SolverOptions) -> Candidate:
        """Minimise under a limit; the plans of the start keep it."""
        limited = self.limited.limit(self.problem, level)
        sought = seek(limited, options, start)
        plan = sought.plan or start.plans[0]
        bound = max(start.lower_bound, sought.lower_bound)
        bound *= self.minimised.objective_unit(limited)
        return self._candidate(plan, bound, cut=plan.cut_by_clock)

    def _tidied(self, plan: Plan, problem: PlacementProblem, options: SolverOptions) -> Plan:
        """Return a plan that is better on the limited axis and no worse on the minimised one."""
        capped = self.minimised.limit(problem, self.minimised.cost(plan))
        steps = MOST_STEPS if self.exact else TIDY_STEPS
        better, _ = self._best_limited(capped, plan, options, steps)
        return better if self.limited.cost(better) < self.limited.cost(plan) else plan

    def _best_limited(
        self, problem: PlacementProblem, known: Plan, options: SolverOptions, steps: int
    ) -> tuple[Plan, float]:
        """Return the best plan on the limited axis, and a proven bound on its cost there."""
        if self.limited.zeta is None:
            return soonest(problem, options, known, steps)
        aimed = self.limited.aim(problem)
        sought = seek(aimed, options, HeadStart((known,)))
        return sought.plan or known, sought.lower_bound * self.limited.objective_unit(aimed)

    def _candidate(self, plan: Plan, bound: float, *, cut: bool) -> Candidate:
        cost = self.minimised.cost(plan)
        bound = min(bound, cost)
        gap = self.minimised.relative_gap(self.problem, cost, bound)
        self.cut |= cut
        return Candidate(plan, self.limited.cost(plan), cost, bound, gap, cut)

    def _objective(self, cost: float) -> float:
        """Return a minimised cost as the planner's objective."""
        return float(np.divide(cost, self.minimised.objective_unit(self.problem)))

    def _options(self, weight: float, of: float) -> SolverOptions:
        """Return the options of a part of the walk, with its share of the time left."""
        return replace(self.options, time_limit_s=self.clock.left_s * weight / of)

    def _part(self, options: SolverOptions, share: float) -> SolverOptions:
        return replace(options, time_limit_s=options.time_limit_s * share)
