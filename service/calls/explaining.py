"""The time for telling each request's alternatives: a part of the limit, and never beyond it."""

from __future__ import annotations

from dataclasses import replace

from planner.interruption import run_within, with_grace
from planner.problem import PlacementProblem
from planner.result import Plan, PlanWarning, SolverOptions
from planner.robustness.padding import padded
from planner.sensitivity.alternatives import Alternatives, alternatives
from service.calls.prepared import Prepared

PAIR_S = 2e-6
"""Seconds for a request on a placement; 1.3e-6 were measured on one core of a busy machine."""
MAX_SHARE = 0.5
"""Share of the limit that is kept for alternatives at most: the plan comes first."""
EXTRA_S = 0.1
"""Beyond the grace of a plan, so that one that took all of it is explained where that is quick."""
UNEXPLAINED = PlanWarning(
    "alternatives_unknown",
    "The time limit was up before the alternatives of every request were found: they are left out. "
    "Allow more time, or send fewer requests.",
)


class ExplanationBudget:
    """Divides the time of a call between its plan and the alternatives that it asks for."""

    def __init__(self, ready: Prepared, *, asked: bool) -> None:
        self._problem = ready.problem
        self._asked = asked
        limit_s = ready.options.time_limit_s
        self._last = with_grace(limit_s + EXTRA_S)
        needed_s = PAIR_S * self._problem.n * self._problem.k if asked else 0.0
        self.options: SolverOptions = replace(
            ready.options, time_limit_s=limit_s - min(needed_s, MAX_SHARE * limit_s)
        )

    def alternatives(self, plan: Plan) -> Alternatives | None:
        """Return the alternatives; None where nobody asked, or the time was up."""
        if not self._asked:
            return None
        return run_within(self._last, lambda: alternatives(self._kept_by(plan), plan))

    def _kept_by(self, plan: Plan) -> PlacementProblem:
        """Return the problem with the deadlines that the plan was made to keep."""
        if plan.robustness is None:
            return self._problem
        return padded(self._problem, plan.robustness.padding)
