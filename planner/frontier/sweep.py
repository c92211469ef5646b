"""The walk along a front: its two ends, then one limit after the other in order.

Each level is solved in two stages. The first minimises one axis under a limit on the other; the
second, where that limit leaves slack, improves the limited axis at the cost of the first, so that
a plan that is beaten on one axis and equalled on the other does not pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from planner.eligibility import require_placeable
from planner.frontier.axes import MAKESPAN, limited_and_minimised, objective_for
from planner.frontier.dominance_filter import DominanceFilter, at_most
from planner.frontier.finder import Finder
from planner.frontier.least_makespan import MAX_DEADLINES, least_makespan, reduce_makespan
from planner.frontier.points import Candidate, Ends, Front, Step, Summary
from planner.interruption import with_grace
from planner.problem import PlacementProblem
from planner.result import Plan, SolverOptions
from planner.search.exact import small_enough
from planner.time_budget import TimeBudget

END_WEIGHT = 2.0
"""Time of an end against that of a level between: the range of all others hangs on it."""
MAKESPAN_WEIGHT = 4.0
"""The same of the end of least makespan, for which many deadlines are tried."""
SECOND_STAGE_DEADLINES = 2
"""Deadlines tried in a second stage, where there is no exact search."""
COARSE_SHARE = 0.3
"""Share of the time left after the ends in which first plans for deadlines are looked for."""
MAX_COARSE_LEVELS = 16
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
        If `plan` does: before anything is yielded.
    """
    problem = replace(problem, objective=objective_for(front.axes))
    require_placeable(problem)
    yield from Sweep(problem, front, options or SolverOptions()).walk()


class Sweep:
    """One walk along a front."""

    def __init__(self, problem: PlacementProblem, front: Front, options: SolverOptions) -> None:
        self.limited, self.minimised = limited_and_minimised(front.axes)
        self.problem = self.minimised.minimise(problem)
        self.unit = self.minimised.objective_unit(self.problem)
        self.options = options
        self.between = front.points - 2
        self.limited_weight = MAKESPAN_WEIGHT if self.limited is MAKESPAN else END_WEIGHT
        # Along the front the two costs run against each other.
        first = self.limited if front.axes[0] == self.limited.name else self.minimised
        self.loosening = (first is self.limited) == (first.sign > 0.0)
        self.budget = TimeBudget(options.time_limit_s)
        self.exact = small_enough(problem)
        hard_limit = with_grace(options.time_limit_s)
        self.finder = Finder(self.limited, self.minimised, hard_limit)

    def walk(self) -> Iterator[Step]:
        """Yield ends, points and summary."""
        loosest = self._loosest_end()
        tightest, bound = self._tightest_end(loosest)
        loosest = self._updated(loosest)
        gap = self.limited.relative_gap(self.problem, tightest.limited_cost, bound)
        yield Ends(self.limited, self.minimised, loosest, tightest, bound, gap)
        filtered = DominanceFilter(self.loosening)
        if self.limited is MAKESPAN and not self.exact:
            self._coarse_pass(tightest.limited_cost, loosest.limited_cost)
        first, last = (tightest, loosest) if self.loosening else (loosest, tightest)
        yield from filtered.offer(first)
        unsolved: list[float] = []
        for found in self._levels(first, last, loosest):
            if isinstance(found, Candidate):
                yield from filtered.offer(found)
            else:
                unsolved.append(self.limited.sign * found)
        yield from filtered.offer(last)
        yield from filtered.close()
        yield Summary(
            filtered.count,
            filtered.dominated,
            tuple(unsolved),
            tuple(filtered.late),
            cut_by_clock=self.finder.cut or bool(unsolved),
        )

    def _levels(
        self, first: Candidate, last: Candidate, loosest: Candidate
    ) -> Iterator[Candidate | float]:
        """Yield the plans of the levels between the ends, or the limits that were not solved."""
        level, end, proven = first.limited_cost, last.limited_cost, loosest.bound
        slack = self.options.relative_gap * abs(first.limited_cost - last.limited_cost)
        for left in range(self.between, 0, -1):
            if at_most(level, end) and at_most(end, level):
                return
            level = next_level(level, end, left, by_ratio=self.limited.by_ratio)
            found = None
            if not self.budget.spent():
                found = self._at(level, proven, self._part(1.0, left), slack)
            yield level if found is None else found
            if found is not None and not self.loosening:
                # What holds under a looser limit holds under a tighter one.
                level, proven = min(level, found.limited_cost), found.bound

    def _coarse_pass(self, earliest_s: float, latest_s: float) -> None:
        """Look for first plans of deadlines all along: each serves every later one too."""
        budget = TimeBudget(self.budget.left_s * COARSE_SHARE)
        deadline_s = earliest_s
        for left in range(min(self.between, MAX_COARSE_LEVELS), 0, -1):
            deadline_s = next_level(deadline_s, latest_s, left, by_ratio=True)
            self.finder.quick_plan(self.problem, deadline_s, budget)

    def _loosest_end(self) -> Candidate:
        """Return the end of least minimised cost."""
        options = self._part(END_WEIGHT, self.between + END_WEIGHT + self.limited_weight)
        outcome = self.finder.find_plan(self.problem, _share(options, FIRST_STAGE), thorough=True)
        if outcome.plan is None:
            raise outcome.failure()
        plan = self._improved(outcome.plan, self.problem, _share(options, 1.0 - FIRST_STAGE))
        return self._candidate(plan, outcome.lower_bound * self.unit)

    def _tightest_end(self, other: Candidate) -> tuple[Candidate, float]:
        """Return the end of least limited cost, and a proven bound on that cost."""
        options = self._part(self.limited_weight, self.between + self.limited_weight)
        best, bound = self._best_limited(other.limited_cost, _share(options, FIRST_STAGE))
        level = other.limited_cost if best is None else self.limited.cost(best)
        found = self._at(level, other.bound, _share(options, 1.0 - FIRST_STAGE), 0.0)
        if found is None or not at_most(found.limited_cost, level):
            found = other if best is None else self._candidate(best, other.bound)
        return found, min(bound, found.limited_cost)

    def _at(
        self, level: float, proven: float, options: SolverOptions, slack: float
    ) -> Candidate | None:
        """Solve one level, of which a lower bound is known; None where no plan was found."""
        limited = self.limited.limit(self.problem, level)
        first_stage = _share(options, FIRST_STAGE)
        outcome = self.finder.find_plan(limited, first_stage, level, proven / self.unit)
        if outcome.plan is None:
            return None
        plan, bound = outcome.plan, max(proven, outcome.lower_bound * self.unit)
        if self.exact or self.limited.cost(plan) < level - slack:
            plan = self._improved(plan, limited, _share(options, 1.0 - FIRST_STAGE))
        return self._candidate(plan, bound)

    def _improved(self, plan: Plan, problem: PlacementProblem, options: SolverOptions) -> Plan:
        """Return a plan that is better on the limited axis and no worse on the minimised one."""
        capped = self.minimised.limit(problem, self.minimised.cost(plan))
        plan = self._better(plan, self.finder.least_limited(capped, self.minimised.cost(plan)))
        cost = self.limited.cost(plan)
        if self.limited is MAKESPAN:
            steps = MAX_DEADLINES if self.exact else SECOND_STAGE_DEADLINES
            return self._better(plan, reduce_makespan(capped, options, cost, self.finder, steps))
        found = self.finder.find_plan(self.limited.minimise(capped), options, cost)
        return self._better(plan, found.plan)

    def _better(self, plan: Plan, other: Plan | None) -> Plan:
        """Return the other plan where it is better on the limited axis."""
        if other is None or self.limited.cost(other) >= self.limited.cost(plan):
            return plan
        return other

    def _updated(self, loosest: Candidate) -> Candidate:
        """Return the end of least minimised cost, by what was found on the way to the other."""
        plan = self.finder.least_minimised(self.problem)
        if plan is None or self.minimised.cost(plan) >= loosest.minimised_cost:
            return loosest
        return self._candidate(plan, loosest.bound)

    def _best_limited(self, known: float, options: SolverOptions) -> tuple[Plan | None, float]:
        """Return the best plan on the limited axis, and a proven bound on its cost there.

        `known` is such a cost of some plan; None is returned where no better one was found.
        """
        if self.limited is MAKESPAN:
            return least_makespan(self.problem, options, known, self.finder)
        problem = self.limited.minimise(self.problem)
        outcome = self.finder.find_plan(problem, options)
        return outcome.plan, outcome.lower_bound * self.limited.objective_unit(problem)

    def _candidate(self, plan: Plan, bound: float) -> Candidate:
        cost = self.minimised.cost(plan)
        bound = min(bound, cost)
        return Candidate(
            plan.energy,
            plan.makespan_s,
            plan.mean_quality,
            plan.carbon_g,
            plan.money,
            plan.usage,
            self.minimised,
            self.limited.cost(plan),
            cost,
            bound,
            self.minimised.relative_gap(self.problem, cost, bound),
            plan.cut_by_clock,
        )

    def _part(self, weight: float, of: float) -> SolverOptions:
        """Return the options of a part of the walk, with its share of the time left."""
        return replace(self.options, time_limit_s=self.budget.left_s * weight / of)


def _share(options: SolverOptions, share: float) -> SolverOptions:
    return replace(options, time_limit_s=options.time_limit_s * share)


def next_level(current: float, end: float, left: int, *, by_ratio: bool) -> float:
    """Return the first of `left` levels that divide the way from `current` to `end` evenly.

    Neither end is among the levels. Costs above 0 are divided by equal ratios if `by_ratio`, else,
    and where one is not above 0, by equal steps.

    Examples
    --------
    >>> next_level(1.0, 8.0, 2, by_ratio=True)
    2.0
    >>> next_level(-0.7, -0.5, 1, by_ratio=False)
    -0.6
    """
    share = 1.0 / (left + 1)
    if by_ratio and current > 0.0 and end > 0.0:
        return float(current * (end / current) ** share)
    return current + share * (end - current)
