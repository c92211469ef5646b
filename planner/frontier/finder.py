"""Finds plans, and remembers all that were found: each may serve elsewhere on the front."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from planner.frontier.archive import Archive, ArchivedPlan
from planner.frontier.plan_search import SearchOutcome, WarmStart, find_plan, verified
from planner.frontier.quick_heuristic import quick_schedules
from planner.interruption import run_within
from planner.problem import PlacementProblem
from planner.result import Plan, SolverOptions
from planner.schedule.schedule import lay_out
from planner.time_budget import TimeBudget


class Finder:
    """Finds plans for all levels of a walk, with one memory.

    Attributes
    ----------
    cut
        Whether the clock has cut any of them.

    Parameters
    ----------
    archive
        Memory of the plans found.
    hard_limit
        Time after which a search is cut wherever it is.
    """

    def __init__(self, archive: Archive, hard_limit: TimeBudget) -> None:
        self._archive = archive
        self._hard_limit = hard_limit
        self.cut = False

    def find_plan(
        self,
        problem: PlacementProblem,
        options: SolverOptions,
        start: WarmStart | None = None,
        *,
        thorough: bool = False,
    ) -> SearchOutcome:
        """Look for a plan of least objective, and remember it."""
        start = start or WarmStart()
        outcome = find_plan(problem, options, start, self._hard_limit, thorough=thorough)
        if outcome.plan is not None:
            self._archive.add(outcome.plan)
            self.cut |= outcome.plan.cut_by_clock
        return outcome

    def quick_plan(
        self, problem: PlacementProblem, deadline_s: float, budget: TimeBudget
    ) -> Plan | None:
        """Find plans near a deadline quickly, and remember them; return the earliest."""
        found: list[Plan] = []

        def look() -> None:
            for schedule in quick_schedules(problem, deadline_s, budget):
                plan = verified(problem, schedule)
                if plan is not None:
                    self._archive.add(plan)
                    found.append(plan)

        run_within(self._hard_limit, look)
        self.cut |= self._hard_limit.cut
        return min(found, key=lambda plan: plan.makespan_s, default=None)

    def least_limited(self, problem: PlacementProblem, minimised_cost: float) -> Plan | None:
        """Return the remembered plan of least limited cost within a minimised one."""
        return _laid_out(problem, self._archive.least_limited(minimised_cost))

    def least_minimised(self, problem: PlacementProblem) -> Plan | None:
        """Return the remembered plan of least minimised cost."""
        return _laid_out(problem, self._archive.least_minimised(inf))

    def start(self, level: float, lower_bound: float = -inf) -> WarmStart:
        """Return the best plan known within a limit as a first candidate."""
        known = self._archive.least_minimised(level)
        assignments = () if known is None else ((known.placement, known.device),)
        return WarmStart(assignments, lower_bound)


def _laid_out(problem: PlacementProblem, known: ArchivedPlan | None) -> Plan | None:
    if known is None:
        return None
    return verified(problem, lay_out(problem, known.placement, known.device))


def due_by(problem: PlacementProblem, deadline_s: float) -> PlacementProblem:
    """Return the problem with another deadline for the plan."""
    return problem.with_limits(replace(problem.limits, deadline_s=deadline_s))
