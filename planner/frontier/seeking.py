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
class HeadStart:
    """What is known of a problem before it is solved.

    Attributes
    ----------
    deals
        Placement and device of each request, (n,) each: first candidates, under whatever limits
        they were found.
    lower_bound
        Proven for the objective; -inf where nothing is.
    """

    deals: tuple[tuple[IntArray, IntArray], ...] = ()
    lower_bound: float = -np.inf


@dataclass(frozen=True)
class Sought:
    """What a look for a plan came to.

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


def seek(
    problem: PlacementProblem,
    options: SolverOptions,
    start: HeadStart | None = None,
    *,
    harder: bool = False,
    on_progress: OnProgress = ignore_progress,
    last: TimeBudget | None = None,
) -> Sought:
    """Look for a plan of least objective that keeps every limit.

    With `harder` as hard as `plan` does, where none is found at first; cut at `last` at the latest.
    """
    start = start or HeadStart()
    budget = TimeBudget(options.time_limit_s)
    solver = Solver(problem, options, budget, on_progress, last)
    solver.lower_bound = start.lower_bound
    for placement, device in start.deals:
        solver.incumbent.offer(lay_out(problem, placement, device))
    solver.run_in_time(harder=harder)
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
    return Sought(plan, bound, solver.proven_infeasible, partial(why_not, solver))
