"""The planner's problem, made of the batch of a call and of what it may run on."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.calls.batch import Batch
from service.fleet.placements import Candidates
from service.planning.errors import InvalidProblemError
from service.planning.inputs import Limits, Objective
from service.planning.problem import PlacementProblem
from service.problems import FieldError, invalid


def check_certain(batch: Batch, limits: Limits) -> None:
    """Refuse a confidence for several answers, whose lengths are not drawn one by one.

    Raises
    ------
    ProblemError
        422.
    """
    if limits.confidence is not None and batch.choices is not None and (batch.choices > 1).any():
        message = (
            "Expected no confidence where a request wants several choices, got "
            f"{limits.confidence:g}: leave it out, or give each choice a request of its own."
        )
        raise invalid([FieldError("/constraints/confidence", message)])


def build_problem(
    batch: Batch,
    candidates: Candidates,
    limits: Limits,
    objective: Objective,
    *,
    intervals: bool = False,
) -> PlacementProblem:
    """Return the problem of a batch on what it may run on.

    Raises
    ------
    ProblemError
        422 where the planner refuses it.
    """
    try:
        return PlacementProblem.build(
            batch.to_requests(candidates),
            candidates.pools,
            candidates.placements,
            limits,
            objective,
            intervals=intervals,
        )
    except InvalidProblemError as error:
        raise invalid([FieldError(error.pointer, str(error))]) from None


def in_use(problem: PlacementProblem) -> list[Any]:
    """Return the cost models of the placements that some request may take."""
    taken = np.flatnonzero(problem.eligible.any(axis=0))
    return [problem.placements[index].cost_model for index in taken]
