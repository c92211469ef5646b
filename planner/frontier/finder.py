"""Finds plans, and archives all that were found: each may serve elsewhere on the front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf

import numpy as np

from planner.frontier.axes import Axis
from planner.frontier.dominance_filter import as_good, at_most
from planner.frontier.quick_heuristic import quick_schedules
from planner.infeasibility.infeasibility import why_not
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

    The plan is verified, None where none was found; the bound on the objective is proven also then.
    `proven_infeasible` says whether it is proven that there is no plan; `failure` makes the error
    that says why there is none, which may take seconds.
    """

    plan: Plan | None
    lower_bound: float
    proven_infeasible: bool
    failure: Callable[[], Exception]


@dataclass(frozen=True)
class ArchivedPlan:
    """Placement and device of each request of a verified plan, (n,) each, in few bytes."""

    limited_cost: float
    minimised_cost: float
    placement: np.ndarray
    device: np.ndarray

    @classmethod
    def of(cls, plan: Plan, limited: Axis, minimised: Axis) -> ArchivedPlan:
        """Keep what is needed of a plan to lay it out again."""
        placement = plan.placement.astype(np.min_scalar_type(int(plan.placement.max(initial=0))))
        device = plan.device_index.astype(np.min_scalar_type(int(plan.device_index.max(initial=0))))
        return cls(limited.cost(plan), minimised.cost(plan), placement, device)

    def laid_out(self, problem: PlacementProblem) -> Schedule:
        """Return its schedule under the limits of a problem."""
        device = self.device.astype(np.int64)
        return lay_out(problem, self.placement.astype(np.int64), device)


class Finder:
    """Finds plans for all levels of a walk, with one archive; no search outlasts `hard_limit`.

    `cut` says whether the clock has cut any of them.
    """

    def __init__(self, limited: Axis, minimised: Axis, hard_limit: TimeBudget) -> None:
        self._limited, self._minimised = limited, minimised
        self._archive: list[ArchivedPlan] = []
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
        known = None if level is None else self._archived_within(level)
        if known is not None:
            solver.incumbent.offer(known.laid_out(problem))
        solver.run_in_time(thorough=thorough)
        plan, bound = None, float(solver.lower_bound)
        if solver.incumbent.best is not None:
            cut, timings = budget.cut, {"solve": budget.elapsed_s}
            best = solver.incumbent.best
            plan = report(problem, *best, bound, (), cut_by_clock=cut, timings_s=timings)
            bound = plan.lower_bound
            self._keep(plan)
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
                    self._keep(plan)
                    found.append(plan)

        run_within(self._hard_limit, look)
        self.cut |= self._hard_limit.cut
        return min(found, key=lambda plan: plan.makespan_s, default=None)

    def least_limited(self, problem: PlacementProblem, minimised_cost: float) -> Plan | None:
        """Return the archived plan of least limited cost within a minimised one."""
        within = [one for one in self._archive if at_most(one.minimised_cost, minimised_cost)]
        known = min(within, key=lambda one: one.limited_cost, default=None)
        return _laid_out(problem, known)

    def least_minimised(self, problem: PlacementProblem) -> Plan | None:
        """Return the archived plan of least minimised cost."""
        return _laid_out(problem, self._archived_within(inf))

    def _archived_within(self, limited_cost: float) -> ArchivedPlan | None:
        """Return the archived plan of least minimised cost within a limited one."""
        within = [one for one in self._archive if at_most(one.limited_cost, limited_cost)]
        return min(within, key=lambda one: one.minimised_cost, default=None)

    def _keep(self, plan: Plan) -> None:
        """Archive a plan, unless a known one is as good on both axes, in place of those beaten."""
        new = ArchivedPlan.of(plan, self._limited, self._minimised)
        if not any(as_good(known, new) for known in self._archive):
            self._archive = [known for known in self._archive if not as_good(new, known)] + [new]


def verified(problem: PlacementProblem, schedule: Schedule) -> Plan | None:
    """Return a schedule as a plan without a bound; None where it breaks a limit."""
    evaluation = evaluate(problem, schedule)
    if not evaluation.feasible:
        return None
    return report(problem, schedule, evaluation, -inf, (), cut_by_clock=False, timings_s={})


def _laid_out(problem: PlacementProblem, known: ArchivedPlan | None) -> Plan | None:
    return None if known is None else verified(problem, known.laid_out(problem))


def due_by(problem: PlacementProblem, deadline_s: float) -> PlacementProblem:
    """Return the problem with another deadline for the plan."""
    return problem.with_limits(replace(problem.limits, deadline_s=deadline_s))
