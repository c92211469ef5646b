"""Why each request runs where it does, as JSON: the next best placements and what stopped them."""

from __future__ import annotations

import numpy as np

from planner.problem import PlacementProblem
from planner.sensitivity.alternatives import Alternatives
from service.calls.fleet.placements import candidate_list
from service.calls.schemas.explanations import AlternativeAnswer, AlternativesAnswer
from service.problems import FieldError, Problem, ProblemError

MAX_EXPLAINED = 100_000
"""Requests that are explained one by one at most: beyond, nobody reads the answer."""


def check_explained(requests: int, *, explain: bool) -> None:
    """Refuse to explain a batch that is too large for that.

    Raises
    ------
    ProblemError
        422 where more than `MAX_EXPLAINED` requests are to be explained.
    """
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
