"""The planner's problem, made of the batch of a call and of what it may run on."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.errors import InvalidProblemError
from planner.inputs import Limits, Objective
from planner.problem import PlacementProblem
from service.calls.batch import Batch
from service.calls.fleet.placements import Candidates
from service.problems import FieldError, Problem, ProblemError, invalid

ANSWERS_EACH = 4
"""Answers for each request of a call that wants more answers than a call may have requests.

A slot takes some 50 bytes of a worker: so many stay within the memory that is estimated of a call.
"""


def check_size(batch: Batch, placements: int, max_requests: int, max_pairs: int) -> None:
    """Refuse with 413 more requests, or more pairs of a request and a placement, than may be."""
    n = len(batch)
    if n > max_requests:
        raise _too_large(batch, f"Expected at most {max_requests} requests, got {n}.")
    if n * placements > max_pairs:
        message = f"Expected at most {max_pairs} requests x placements, got {n} x {placements}."
        raise _too_large(batch, message)


def check_answers(batch: Batch, max_requests: int) -> None:
    """Refuse with 413 more answers than may be: in a schedule each holds a slot of its own."""
    maximum = max(max_requests, ANSWERS_EACH * len(batch))
    if batch.sequences > maximum:
        message = f"Expected at most {maximum} answers of all requests, got {batch.sequences}."
        raise _too_large(batch, message)


def _too_large(batch: Batch, message: str) -> ProblemError:
    where = "/requests" if batch.by_row else "/columns/input_tokens"
    return ProblemError(Problem("too-large", message, [FieldError(where, message)]))


def check_certain(batch: Batch, limits: Limits) -> None:
    """Refuse with 422 a confidence for several answers, whose lengths are not drawn one by one."""
    if limits.confidence is not None and batch.sequences > len(batch):
        message = (
            "Expected no confidence where a request wants several answers, got "
            f"{limits.confidence:g}: leave it out, or give each answer a request of its own."
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
    """Return the problem of a batch on what it may run on; 422 where the planner refuses it."""
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
