"""Problem and options in, plan with proof out.

solver: relax and bound -> first candidates -> assign, dispatch, reprice -> exact if tiny
-> compare with simpler policies -> report;  or refusal: why there is none
"""

from __future__ import annotations

from planner.eligibility import require_placeable
from planner.infeasibility.infeasibility import why_not
from planner.interruption import run_within, with_grace
from planner.problem import PlacementProblem
from planner.progress import OnProgress, ignore_progress
from planner.reporting import report
from planner.result import Plan, SolverOptions
from planner.scaling import in_units, objective_unit, restated, restating
from planner.schedule.evaluation import Evaluation
from planner.search.baselines import baselines, judged_policies
from planner.search.solver import Solver
from planner.sensitivity.prices import with_prices
from planner.time_budget import TimeBudget

COMPARE_S = 0.1
"""Seconds at least for comparing a plan whose search was cut."""


def plan(
    problem: PlacementProblem,
    options: SolverOptions | None = None,
    on_progress: OnProgress = ignore_progress,
    *,
    explained: bool = True,
) -> Plan:
    """Place every request so that the objective is least and every limit is kept.

    Parameters
    ----------
    problem
        Requests, pools, placements and limits.
    options
        Time, gap and seed; the same problem and options give the same plan unless the clock cuts.
    on_progress
        Called with how far the work is.
    explained
        Whether the error of an infeasible problem says what would mend it, which takes seconds.

    Raises
    ------
    InvalidProblemError
        If a pool does not state what its joules cost in what the objective minimises.
    UnplaceableError
        If a request is eligible for no placement.
    InfeasibleError
        If it is proven that no plan keeps every limit.
    UndecidedError
        If neither a plan nor a proof was found.
    """
    options = options or SolverOptions()
    budget = TimeBudget(options.time_limit_s, options.first_plan_s)
    require_placeable(problem)
    problem.rates_in(problem.objective.minimise)
    unit = objective_unit(problem)
    if unit == 1.0:
        return _plan(problem, options, budget, on_progress, explained=explained)
    scaled, on_progress = in_units(problem, unit), restating(on_progress, unit)
    found = _plan(scaled, options, budget, on_progress, explained=explained)
    return restated(found, problem, unit)


def _plan(
    problem: PlacementProblem,
    options: SolverOptions,
    budget: TimeBudget,
    on_progress: OnProgress,
    *,
    explained: bool,
) -> Plan:
    """Plan a problem whose objective is of ordinary size."""
    solved = Solver(problem, options, budget, on_progress)
    solved.run_in_time(thorough=True)
    incumbent = solved.incumbent
    if incumbent.best is None:
        raise why_not(solved, explained=explained)
    timings = {"solve": budget.elapsed_s}
    solved.enter("comparing")
    left_s = min(solved.hard_limit.left_s, with_grace(budget.left_s).left_s)
    hard_limit = TimeBudget(left_s + COMPARE_S)
    judged: dict[str, Evaluation | None] = {}

    def judge() -> None:
        for name, evaluation in judged_policies(
            problem, solved.policies, solved.relaxation, options.seed, incumbent
        ):
            judged[name] = evaluation

    run_within(hard_limit, judge)
    timings["baselines"] = budget.elapsed_s - timings["solve"]
    schedule, evaluation = incumbent.best
    found = report(
        problem,
        schedule,
        evaluation,
        solved.lower_bound,
        baselines(problem, evaluation, judged),
        cut_by_clock=budget.cut or hard_limit.cut,
        timings_s=timings,
    )
    priced = run_within(
        hard_limit, lambda: with_prices(found, problem, solved.relaxation, solved.bounded)
    )
    return priced or found
