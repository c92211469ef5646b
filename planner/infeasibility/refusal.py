"""Why there is no plan: proven and explained, or neither found nor proven."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from planner.bounds.formulation import Formulation
from planner.errors import InfeasibleError, UndecidedError
from planner.infeasibility.infeasibility import explain
from planner.limits.extremes import proves_infeasible
from planner.problem import PlacementProblem
from planner.result import SolverOptions
from planner.schedule.evaluation import Evaluation
from planner.schedule.schedule import Schedule
from planner.search import exact
from planner.search.solver import Solver
from planner.time_budget import TimeBudget


def why_not(solver: Solver, *, explained: bool = True) -> Exception:
    """Return the error that says why a run found no plan, and if so asked what would mend it."""
    if not solver.proven_infeasible and solver.budget.cut:
        return UndecidedError(
            "The time limit was up before a plan was found, or a proof that there is none. Allow "
            "more time, send fewer requests, or loosen a limit."
        )
    if not solver.proven_infeasible:
        return UndecidedError(
            "The limits allow a relaxed plan, but none was found that keeps them on the devices' "
            "schedule. Allow more time, or loosen a limit slightly."
        )
    if not explained:
        return InfeasibleError(())
    solver.enter("explaining")
    return explain(
        solver.problem,
        partial(_attempt, solver.options),
        _prove,
        TimeBudget(solver.hard_limit.left_s),
        solver.options.seed,
        solver.notify,
    )


def _attempt(
    options: SolverOptions, problem: PlacementProblem, seconds: float, relative_gap: float
) -> tuple[Schedule, Evaluation] | None:
    """Look for a plan of a problem with loosened limits."""
    solver = Solver(problem, replace(options, relative_gap=relative_gap), TimeBudget(seconds))
    solver.run_in_time()
    return solver.incumbent.best


def _prove(problem: PlacementProblem, budget: TimeBudget) -> bool:
    """Whether it is proven that no plan exists, by the relaxation or an exact search."""
    if proves_infeasible(problem, budget):
        return True
    if budget.spent() or not exact.small_enough(problem):
        return False
    search = exact.Search(problem, Formulation(problem).build(), np.inf, budget).run()
    return search.complete and search.best is None
