"""Plan so that the whole batch keeps every deadline at a stated probability.

plain plan -> replay it in every scenario -> pad the deadlines, plan anew, replay -> the cheapest
plan that keeps the confidence;  or what can be achieved
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from costmodel.arrays import FloatArray
from planner.errors import InfeasibleError, LimitChange, UnattainedConfidenceError, UndecidedError
from planner.interruption import run_within, with_grace
from planner.limits.limit import Limit, limits_of
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.progress import OnProgress, Progress, ignore_progress
from planner.reporting import OPTIMAL_GAP, relative_gap
from planner.result import Plan, PlanWarning, Robustness, SolverOptions
from planner.robustness.padding import Attempt, achieved_confidence, padded, search, share_to_keep
from planner.robustness.scenarios import Scenarios
from planner.robustness.simulation import worst_ratios
from planner.schedule.evaluation import evaluate
from planner.schedule.schedule import lay_out
from planner.time_budget import TimeBudget

FIRST_SHARE, FIRST_MAX_SHARE = 0.35, 0.85
"""Shares of the time limit that the plan without padding may take, and may take at most as long as
none is found."""
LATER_SHARE, LATER_MAX_SHARE = 0.3, 0.6
"""The same shares of the time then left, for each plan with padding."""
MIN_PLAN_S = 0.05
MIN_CONFIDENCE = 0.5
"""Confidence below which nothing is worth being promised."""

Planner = Callable[..., Plan]


def plan_robustly(
    problem: PlacementProblem,
    options: SolverOptions | None = None,
    on_progress: OnProgress = ignore_progress,
    *,
    planner: Planner = plan,
    scenarios: Scenarios | None = None,
) -> Plan:
    """Plan, at `limits.confidence` where that is given.

    Parameters
    ----------
    problem, options, on_progress
        The same as for `plan`; the time limit is for all plans that are made on the way.
    planner
        What makes a single plan.
    scenarios
        What may turn out; drawn from the options' seed unless given.

    Returns
    -------
    Plan
        Plan with `robustness` where a confidence was asked for. Its bound is that of the problem
        without a confidence, so it is below every plan that keeps one, too.

    Raises
    ------
    UnattainedConfidenceError
        If no plan was found that keeps the confidence, and every padding above was proven to have
        none.
    PlanningError
        If `plan` does; UndecidedError also if time ran out over the padding.
    """
    options = options or SolverOptions()
    confidence = problem.limits.confidence
    if confidence is None:
        return planner(problem, options, on_progress)
    if not _time_limits(problem):
        return _without_deadline(planner(problem, options, on_progress), confidence)
    budget, hard_limit = TimeBudget(options.time_limit_s), with_grace(options.time_limit_s)
    drawn = scenarios or Scenarios.draw(problem, options.seed)
    if not drawn.spread:
        plain = planner(problem, options, on_progress)
        return replace(plain, robustness=_robustness(confidence, 1.0, 1.0, plain, plain, drawn))
    plain = planner(problem, _part(options, budget, FIRST_SHARE, FIRST_MAX_SHARE), on_progress)
    ratios = run_within(hard_limit, lambda: _ratios(plain, drawn))
    if ratios is None:
        raise UndecidedError("The time limit was up before a plan was replayed. Allow more time.")
    first = Attempt(0, plain, ratios)

    def attempt(rung: int) -> Attempt | None:
        if budget.left_s < MIN_PLAN_S * (1.0 + options.time_limit_s):
            budget.cut = True
            return None
        on_progress(Progress("padding", plain.objective, plain.lower_bound, None, budget.elapsed_s))
        later = _part(options, budget, LATER_SHARE, LATER_MAX_SHARE)
        found = run_within(hard_limit, lambda: _attempt(rung, drawn, later, planner))
        budget.cut |= hard_limit.cut
        return found

    share = share_to_keep(confidence, drawn.count)
    attempts = search(first, share, attempt, options.relative_gap)
    verified = [found for found in attempts if found.kept >= share]
    if not verified:
        raise _unattained(problem, confidence, share, attempts)
    best = min(verified, key=lambda found: (found.objective, found.rung))
    cut = any(found.plan is not None and found.plan.cut_by_clock for found in attempts)
    return _answer(problem, best, plain, drawn, cut=budget.cut or cut)


def _part(
    options: SolverOptions, budget: TimeBudget, share: float, at_most: float
) -> SolverOptions:
    """Return the options of one of several plans: shares of the time that is left."""
    return replace(
        options,
        time_limit_s=max(MIN_PLAN_S, share * budget.left_s),
        first_plan_s=at_most * budget.left_s,
    )


def _time_limits(problem: PlacementProblem) -> list[Limit]:
    """Deadlines, and the pools that are available for a time."""
    kinds = ("deadline", "own_deadlines", "available")
    return [limit for limit in limits_of(problem) if limit.kind in kinds]


def _attempt(rung: int, drawn: Scenarios, options: SolverOptions, planner: Planner) -> Attempt:
    tighter = padded(drawn.problem, Attempt(rung, None, np.empty(0)).padding)
    try:
        found = planner(tighter, options, explained=False)
    except InfeasibleError:
        return Attempt(rung, None, np.empty(0), proven=True)
    except UndecidedError:
        return Attempt(rung, None, np.empty(0))
    return Attempt(rung, found, _ratios(found, drawn))


def _ratios(found: Plan, drawn: Scenarios) -> FloatArray:
    schedule = lay_out(drawn.problem, found.placement, found.device_index)
    return worst_ratios(schedule, drawn)


def _answer(
    problem: PlacementProblem, best: Attempt, plain: Plan, drawn: Scenarios, *, cut: bool
) -> Plan:
    """The padded plan under the bound of the problem without padding."""
    found, confidence = best.plan, problem.limits.confidence
    if found is None or confidence is None:
        raise UndecidedError("Expected a plan and a confidence, got none.")
    schedule = lay_out(problem, found.placement, found.device_index)
    evaluation = evaluate(problem, schedule)
    lower_bound = min(plain.lower_bound, found.objective)
    absolute_gap = found.objective - lower_bound
    gap = relative_gap(problem, evaluation, absolute_gap)
    return replace(
        found,
        status="optimal" if gap <= OPTIMAL_GAP else "feasible",
        lower_bound=lower_bound,
        absolute_gap=absolute_gap,
        gap=gap,
        cut_by_clock=cut,
        warnings=(*found.warnings, *_unknown_intervals(problem, found)),
        robustness=_robustness(confidence, best.kept, best.padding, found, plain, drawn),
    )


def _robustness(
    confidence: float, kept: float, padding: float, found: Plan, plain: Plan, drawn: Scenarios
) -> Robustness:
    without_j = plain.energy.value_j
    extra = found.energy.value_j / without_j - 1.0 if without_j > 0.0 else 0.0
    error = float(np.sqrt(kept * (1.0 - kept) / drawn.count))
    return Robustness(confidence, kept, error, padding, without_j, extra, drawn.count)


def _without_deadline(plain: Plan, confidence: float) -> Plan:
    text = "The confidence is about deadlines, and nothing has one: any plan keeps it."
    warning = PlanWarning("confidence_without_deadline", text)
    robustness = Robustness(confidence, 1.0, 0.0, 1.0, plain.energy.value_j, 0.0, 0)
    return replace(plain, robustness=robustness, warnings=(*plain.warnings, warning))


def _unknown_intervals(problem: PlacementProblem, found: Plan) -> list[PlanWarning]:
    unknown = {
        f"{problem.placements[k].llm} on {problem.placements[k].cost_model.device}"
        for k in np.unique(found.placement).tolist()
        if problem.placements[k].cost_model.device_seconds_interval is None
    }
    if not unknown:
        return []
    text = "No interval of the device-seconds is known, so only the campaign's bias is allowed for"
    return [PlanWarning("interval_unknown", f"{text}: {', '.join(sorted(unknown))}.")]


def _unattained(
    problem: PlacementProblem, confidence: float, share: float, attempts: list[Attempt]
) -> Exception:
    """Return the error where no plan keeps the confidence, with what would mend it."""
    best = max(attempts, key=lambda found: (found.kept, -found.objective))
    message = (
        f"No plan was found that keeps every deadline with confidence {confidence:g}; the best one "
        f"keeps them in {best.kept:.1%} of the scenarios, at padding {best.padding:.3f}."
    )
    top = max(attempts, key=lambda found: found.rung)
    if top.plan is not None or not top.proven:
        return UndecidedError(message + " Allow more time, or loosen a limit slightly.")
    stretch = best.stretch(share)
    relaxations = []
    if (achieved := achieved_confidence(best.kept, best.ratios.size)) >= MIN_CONFIDENCE:
        relaxations.append(LimitChange("confidence", confidence, achieved, confidence))
    limits = tuple(
        LimitChange(limit.name, limit.given, limit.given * stretch, limit.given)
        for limit in _time_limits(problem)
    )
    if len(limits) == 1:
        relaxations += limits
    conflict = ("confidence", *(limit.constraint for limit in limits))
    return UnattainedConfidenceError(message, conflict, tuple(relaxations), limits, best.kept)
