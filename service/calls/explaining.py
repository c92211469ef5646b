"""Why each request runs where it does: the next best placements and what stopped them.

Finding them takes a part of a call's time limit, and never more than that.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.interruption import run_within, with_grace
from planner.problem import PlacementProblem
from planner.result import Plan, PlanWarning, SolverOptions
from planner.robustness.padding import padded
from planner.sensitivity.alternatives import Alternatives, alternatives
from service.calls.fleet.placements import candidate_list
from service.calls.prepared import PreparedCall
from service.calls.schemas.explanations import AlternativeAnswer, AlternativesAnswer
from service.problems import FieldError, Problem, ProblemError

PAIR_S = 2e-6
"""Seconds for a request on a placement; 1.3e-6 were measured on one core of a busy machine."""
MAX_SHARE = 0.5
"""Share of the limit that is kept for alternatives at most: the plan comes first."""
EXTRA_S = 0.1
"""Seconds beyond the grace of a plan: one that took all of it is explained where that is quick."""
UNEXPLAINED = PlanWarning(
    "alternatives_unknown",
    "The time limit was up before the alternatives of every request were found: they are left out. "
    "Allow more time, or send fewer requests.",
)
MAX_EXPLAINED = 100_000
"""Requests that are explained one by one at most: nobody reads more."""


class ExplanationBudget:
    """Divides the time of a call between its plan and the alternatives that it asks for."""

    def __init__(self, ready: PreparedCall, *, asked: bool) -> None:
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


def check_explained(requests: int, *, explain: bool) -> None:
    """Refuse with 422 to explain more requests one by one than `MAX_EXPLAINED`."""
    if explain and requests > MAX_EXPLAINED:
        message = f"Expected at most {MAX_EXPLAINED} requests to explain, got {requests}."
        raise ProblemError(Problem("invalid-request", message, [FieldError("/explain", message)]))


def alternative_rows(
    problem: PlacementProblem, others: Alternatives
) -> list[list[AlternativeAnswer]]:
    """Return the alternatives of each request, as the rows of the answer hold them."""
    named = candidate_list(problem.pools, problem.placements)
    columns = (others.placement, others.extra_j, others.extra_objective, others.stopped_by)
    return [
        [
            {
                "placement": k,
                "llm": named[k]["llm"],
                "pool": named[k]["pool"],
                "concurrency": named[k]["concurrency"],
                "extra_joules": extra_j,
                "extra_objective": extra,
                "stopped_by": others.reasons[reason],
            }
            for k, extra_j, extra, reason in zip(*row, strict=True)
        ]
        for row in zip(*(column.tolist() for column in columns), strict=True)
    ]


def alternative_columns(others: Alternatives) -> AlternativesAnswer:
    """Return the alternatives of all requests as parallel lists."""
    return {
        "placement": np.ascontiguousarray(others.placement),
        "extra_joules": np.ascontiguousarray(others.extra_j),
        "extra_objective": np.ascontiguousarray(others.extra_objective),
        "stopped_by": np.ascontiguousarray(others.stopped_by),
        "reasons": others.reasons,
    }
