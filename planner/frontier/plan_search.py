"""One look for a plan: no baselines, no explanation, and a head start from plans known already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from costmodel.arrays import IntArray
from planner.infeasibility.refusal import why_not
from planner.problem import PlacementProblem
from planner.progress import OnProgress, ignore_progress
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
        Proven for the objective; -inf where nothing is.
    """

    assignments: tuple[tuple[IntArray, IntArray], ...] = ()
    lower_bound: float = -np.inf


@dataclass(frozen=True)
class SearchOutcome:
    """The outcome of one search for a plan.

    Attributes
    ----------
    plan
        Verified; None where none was found.
    lower_bound
        Proven for the objective, also where no plan was found.
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
    start: WarmStart | None = None,
    *,
    thorough: bool = False,
    on_progress: OnProgress = ignore_progress,
    last: TimeBudget | None = None,
) -> SearchOutcome:
    """Look for a plan of least objective that keeps every limit.

    With `thorough` the heuristics of `plan` follow where none is found. It is cut at `last`.
    """
    start = start or WarmStart()
    budget = TimeBudget(options.time_limit_s)
    solver = Solver(problem, options, budget, on_progress, last)
    solver.lower_bound = start.lower_bound
    for placement, device in start.assignments:
        solver.incumbent.offer(lay_out(problem, placement, device))
    solver.run_in_time(thorough=thorough)
    found, plan = solver.incumbent, None
    if found.schedule is not None and found.evaluation is not None:
        plan = report(
            problem,
            found.schedule,
            found.evaluation,
            solver.lower_bound,
            (),
            cut_by_clock=budget.cut,
            timings_s={"solve": budget.elapsed_s},
        )
    bound = float(solver.lower_bound if plan is None else plan.lower_bound)
    return SearchOutcome(plan, bound, solver.proven_infeasible, partial(why_not, solver))
