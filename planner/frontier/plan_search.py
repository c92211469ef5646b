"""One search for a plan: no baselines, no explanation, and a warm start from known plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from costmodel.arrays import IntArray
from planner.infeasibility.refusal import why_not
from planner.problem import PlacementProblem
from planner.reporting import report
from planner.result import Plan, SolverOptions
from planner.schedule.evaluation import evaluate
from planner.schedule.schedule import Schedule, lay_out
from planner.search.solver import Solver
from planner.time_budget import TimeBudget


@dataclass(frozen=True)
class WarmStart:
    """A warm start: what is known of a problem before it is solved.

    Attributes
    ----------
    assignments
        Placement and device of each request, (n,) each: first candidates, under whatever limits
        they were found.
    lower_bound
        Proven bound on the objective; -inf where nothing is proven.
    """

    assignments: tuple[tuple[IntArray, IntArray], ...] = ()
    lower_bound: float = -np.inf


@dataclass(frozen=True)
class SearchOutcome:
    """The outcome of one search for a plan.

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


def verified(problem: PlacementProblem, schedule: Schedule) -> Plan | None:
    """Return a schedule as a plan without a bound; None where it breaks a limit."""
    evaluation = evaluate(problem, schedule)
    if not evaluation.feasible:
        return None
    return report(problem, schedule, evaluation, -np.inf, (), cut_by_clock=False, timings_s={})


def find_plan(
    problem: PlacementProblem,
    options: SolverOptions,
    start: WarmStart,
    hard_limit: TimeBudget,
    *,
    thorough: bool,
) -> SearchOutcome:
    """Look for a plan of least objective that keeps every limit.

    With `thorough` the heuristics of `plan` follow where none is found. It is cut at `hard_limit`.
    """
    budget = TimeBudget(options.time_limit_s)
    solver = Solver(problem, options, budget, hard_limit=hard_limit)
    solver.lower_bound = start.lower_bound
    for placement, device in start.assignments:
        solver.incumbent.offer(lay_out(problem, placement, device))
    solver.run_in_time(thorough=thorough)
    plan, bound = None, float(solver.lower_bound)
    if solver.incumbent.best is not None:
        cut, timings = budget.cut, {"solve": budget.elapsed_s}
        best = solver.incumbent.best
        plan = report(problem, *best, bound, (), cut_by_clock=cut, timings_s=timings)
        bound = plan.lower_bound
    return SearchOutcome(plan, bound, solver.proven_infeasible, partial(why_not, solver))
