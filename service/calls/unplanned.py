"""The problems by which a caller learns that there is no plan."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import islice
from typing import Any

import numpy as np

from costmodel.arrays import IntArray
from costmodel.nearest import counted
from planner.eligibility import find_unplaceable
from planner.errors import (
    InfeasibleError,
    LimitChange,
    LimitsError,
    PlanningError,
    UnattainedConfidenceError,
    UndecidedError,
)
from planner.problem import PlacementProblem
from service.calls.batch import Batch
from service.calls.schemas.answers import UnplaceableAnswer
from service.problems import MAX_FIELD_ERRORS, FieldError, Problem, ProblemError, pointer
from service.wording import BODY, Spelling

DIGITS = 6
"""Significant digits of what a limit would have to be, in an answer and in its words alike."""


@dataclass(frozen=True)
class LimitPointers:
    """Where in the body of a call the limits stand.

    `pools` are the names of those that the body brought, in order; empty where the fleet is the
    service's.
    """

    by_row: bool
    pools: tuple[str, ...]

    def pointer_to(self, constraint: str) -> str:
        """Return the JSON pointer of a limit; empty where the body does not hold it."""
        kind, _, rest = constraint.partition("/")
        if kind == "requests":
            return "/requests" if self.by_row else pointer("columns", rest)
        if kind == "pools":
            name, _, field = rest.rpartition("/")
            if name not in self.pools:
                return ""
            return pointer("fleet", "pools", self.pools.index(name), field)
        return f"/constraints/{constraint}"


def placeable(
    problem: PlacementProblem, batch: Batch, *, report: bool, spelling: Spelling = BODY
) -> tuple[IntArray, list[UnplaceableAnswer]]:
    """Return the indices of the requests to plan, and the others as they are to be listed.

    The status is 422 where there are others and they are not to be listed, or no requests are
    left.
    """
    reasons = {**find_unplaceable(problem), **batch.set_aside}
    if reasons and (not report or len(reasons) == problem.n):
        first = islice(reasons.items(), MAX_FIELD_ERRORS)
        errors = [FieldError(batch.pointer_to(i), reason) for i, reason in first]
        detail = f"No placement takes {len(reasons)} of {counted(problem.n, 'request')}."
        if len(reasons) < problem.n:
            detail += f" The others can be planned with {spelling.report}."
        omitted = len(reasons) - len(errors)
        raise ProblemError(Problem("unplaceable", detail, errors, omitted=omitted))
    kept = np.ones(problem.n, dtype=bool)
    kept[list(reasons)] = False
    ids = batch.ids if reasons else []
    return np.flatnonzero(kept), [
        {"id": ids[index], "index": index, "reason": reason} for index, reason in reasons.items()
    ]


def planning_problem(error: PlanningError, body: LimitPointers) -> Problem:
    """Return what the planner could not do, as a problem."""
    if isinstance(error, InfeasibleError):
        return _infeasible(error, body)
    if isinstance(error, UnattainedConfidenceError):
        return _unattained(error, body)
    if isinstance(error, UndecidedError):
        return Problem("undecided", str(error), retry_after_s=1)
    return Problem("invalid-request", str(error), [FieldError("", str(error))])


def _infeasible(error: InfeasibleError, body: LimitPointers) -> Problem:
    alone = len(error.conflict) == 1
    detail = "kept by any plan" if alone else "kept together with the others named"
    return Problem(
        "infeasible",
        in_words(error),
        [FieldError(body.pointer_to(name), f"Cannot be {detail}.") for name in error.conflict],
        extra={
            **_limits(error),
            "cut_by_clock": error.cut_by_clock,
        },
        summary=_conflict(error),
    )


def _unattained(error: UnattainedConfidenceError, body: LimitPointers) -> Problem:
    return Problem(
        "confidence-unattained",
        str(error),
        [
            FieldError(body.pointer_to(name), "Was not kept together with the others named.")
            for name in error.conflict
        ],
        extra={
            **_limits(error),
            "attainable_confidence": error.attainable_confidence,
        },
    )


def _limits(error: LimitsError) -> dict[str, object]:
    """Return which limits conflict, and how far each would have to move."""
    return {
        "conflict": list(error.conflict),
        "relaxations": [_relaxation(r) for r in error.relaxations],
        "joint_relaxation": [_relaxation(r) for r in error.joint_relaxation],
    }


def in_words(error: InfeasibleError) -> str:
    """Say what conflicts and what would mend it."""
    found = _conflict(error)
    if error.relaxations:
        found += " Enough alone: " + "; ".join(map(_change, error.relaxations)) + "."
    if error.joint_relaxation:
        found += " Enough together: " + "; ".join(map(_change, error.joint_relaxation)) + "."
    return found


def _conflict(error: InfeasibleError) -> str:
    return f"{error}. {error.note}".rstrip()


def _change(relaxation: LimitChange) -> str:
    """Write one limit's move, with the digits that the answer has.

    Examples
    --------
    >>> _change(LimitChange("deadline_seconds", 3600.0, 4129.5234, 4129.0))
    'deadline_seconds: 3600 -> 4129.53'
    """
    moved = _relaxation(relaxation)
    return f"{moved['constraint']}: {moved['given']:.15g} -> {moved['needed']:.15g}"


def _relaxation(relaxation: LimitChange) -> dict[str, Any]:
    """Return one limit's move as JSON: a plan exists at what is needed, and none is promised.

    Rounding keeps what is known: ``needed`` is rounded to what still suffices, the proven side to
    what is still proven.

    Examples
    --------
    >>> moved = _relaxation(LimitChange("min_mean_quality", 0.6, 0.5783912, 0.5784123))
    >>> moved["needed"], moved["needed_lower_bound"]
    (0.578391, 0.578413)
    """
    given, needed = relaxation.given, relaxation.needed
    up = needed > given
    proven = _rounded(relaxation.needed_lower_bound, up=not up)
    return {
        "constraint": relaxation.constraint,
        "given": given,
        "needed": _rounded(needed, up=up),
        "needed_lower_bound": max(proven, given) if up else min(proven, given),
    }


def _rounded(value: float, *, up: bool) -> float:
    """Round to six digits in one direction."""
    if value == 0.0:
        return 0.0
    exact = Decimal(repr(value))
    unit = Decimal(1).scaleb(exact.adjusted() - DIGITS + 1)
    return float((exact / unit).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * unit)
