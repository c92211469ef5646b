"""Finds plans, and archives all that were found: each may serve elsewhere on the front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf

from planner.frontier.archive import Archive, ArchivedPlan
from planner.frontier.quick_heuristic import quick_schedules
from planner.infeasibility.refusal import why_not
from planner.interruption import run_within
from planner.problem import PlacementProblem
from planner.reporting import report
from planner.result import Plan, SolverOptions
from planner.schedule.evaluation import evaluate
from planner.schedule.schedule import Schedule, lay_out
from planner.search.solver import Solver
from planner.time_budget import TimeBudget


@dataclass(frozen=True)
class SearchOutcome:
    """The outcome of one search for a plan: no baselines, no explanation.

    Attributes
    ----------
    plan
        The verified plan; None where none was found.
    lower_bound
        Proven bound on the objective, also where no plan was found.
    proven_infeasible
        Whether it is proven that there is no plan.
    failure
        Makes the error that says why there is no plan; that may take seconds.
    """

    plan: Plan | None
    lower_bound: float
    proven_infeasible: bool
    failure: Callable[[], Exception]


class Finder:
    """Finds plans for all levels of a walk, with one archive; no search outlasts `hard_limit`.

    `cut` says whether the clock has cut any of them.
    """

    def __init__(self, archive: Archive, hard_limit: TimeBudget) -> None:
        self._archive = archive
        self._hard_limit = hard_limit
        self.cut = False

    def find_plan(
        self,
        problem: PlacementProblem,
        options: SolverOptions,
        level: float | None = None,
        lower_bound: float = -inf,
        *,
        thorough: bool = False,
    ) -> SearchOutcome:
        """Look for a plan of least objective that keeps every limit, and archive it.

        The first candidate is the best archived plan within a level of the limited cost, whatever
        the limits under which it was found. With `thorough` the heuristics of `plan` follow where
        no plan is found.
        """
        budget = TimeBudget(options.time_limit_s)
        solver = Solver(problem, options, budget, hard_limit=self._hard_limit)
        solver.lower_bound = lower_bound
        known = None if level is None else self._archive.least_minimised(level)
        if known is not None:
            solver.incumbent.offer(lay_out(problem, known.placement, known.device))
        solver.run_in_time(thorough=thorough)
        plan, bound = None, float(solver.lower_bound)
        if solver.incumbent.best is not None:
            cut, timings = budget.cut, {"solve": budget.elapsed_s}
            best = solver.incumbent.best
            plan = report(problem, *best, bound, (), cut_by_clock=cut, timings_s=timings)
            bound = plan.lower_bound
            self._archive.add(plan)
            self.cut |= plan.cut_by_clock
        return SearchOutcome(plan, bound, solver.proven_infeasible, partial(why_not, solver))

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


def verified(problem: PlacementProblem, schedule: Schedule) -> Plan | None:
    """Return a schedule as a plan without a bound; None where it breaks a limit."""
    evaluation = evaluate(problem, schedule)
    if not evaluation.feasible:
        return None
    return report(problem, schedule, evaluation, -inf, (), cut_by_clock=False, timings_s={})


def _laid_out(problem: PlacementProblem, known: ArchivedPlan | None) -> Plan | None:
    if known is None:
        return None
    return verified(problem, lay_out(problem, known.placement, known.device))


def due_by(problem: PlacementProblem, deadline_s: float) -> PlacementProblem:
    """Return the problem with another deadline for the plan."""
    return problem.with_limits(replace(problem.limits, deadline_s=deadline_s))
