"""What can go wrong while a plan is made, cut by what the caller can do about it.

::

    PlanningError
    ├── InvalidProblemError   the problem contradicts itself: mend the field that `pointer` names
    ├── UnplaceableError      some requests fit no placement: drop them, or widen their limits
    ├── LimitsError           limits conflict: `relaxations` says what would mend it
    │   ├── InfeasibleError       proven: no plan keeps every limit
    │   └── UnattainedConfidenceError  no plan found is sure enough
    ├── UndecidedError        neither a plan nor a proof was found in time: allow more time
    └── BoundContradictedError  a defect of ours: a plan is better than its proven bound
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class PlanningError(Exception):
    """Root of every error that planning raises."""


class InvalidProblemError(PlanningError):
    """The problem contradicts itself.

    Parameters
    ----------
    pointer
        JSON pointer of the field to mend, in the terms of the request body.
    message
        What was expected and what was found.
    """

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer


class UnplaceableError(PlanningError):
    """Some requests are eligible for no placement.

    Parameters
    ----------
    reasons
        Why no placement takes a request, by its index.
    """

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__(f"{len(reasons)} requests fit no placement")
        self.reasons = dict(reasons)


@dataclass(frozen=True)
class LimitChange:
    """A limit which, moved from `given` to `needed`, lets a plan exist.

    Attributes
    ----------
    constraint
        The limit's name in the request body, e.g. ``deadline_seconds``.
    given
        Value in the request.
    needed
        A value at which a verified plan exists.
    needed_lower_bound
        Proven: with a value less generous than this no plan exists, where limits move together
        whatever the others are. For limits from below, as ``min_mean_quality``, a less generous
        value is a larger one. For the requests' own deadlines all three are factors of them.
    """

    constraint: str
    given: float
    needed: float
    needed_lower_bound: float


class LimitsError(PlanningError):
    """Limits cannot be kept together, or no plan was found that keeps them.

    Parameters
    ----------
    conflict
        Names of limits that cannot hold together.
    relaxations
        Limits that, each alone, would mend it.
    joint_relaxation
        Limits to be moved together, where none alone is enough; otherwise empty.
    """

    def __init__(
        self,
        message: str,
        conflict: tuple[str, ...],
        relaxations: tuple[LimitChange, ...],
        joint_relaxation: tuple[LimitChange, ...],
    ) -> None:
        super().__init__(message)
        self.conflict = conflict
        self.relaxations = relaxations
        self.joint_relaxation = joint_relaxation


class InfeasibleError(LimitsError):
    """Proven: no plan keeps all limits together.

    Parameters
    ----------
    cut_by_clock
        Whether time ended before what is needed and what is proven were close.
    note
        What is to be known beside it, a sentence; empty for nothing.
    """

    def __init__(
        self,
        conflict: tuple[str, ...],
        relaxations: tuple[LimitChange, ...] = (),
        joint_relaxation: tuple[LimitChange, ...] = (),
        *,
        cut_by_clock: bool = False,
        note: str = "",
    ) -> None:
        limits = "this limit" if len(conflict) == 1 else "these limits together"
        message = f"No plan keeps {limits}: " + ", ".join(conflict)
        super().__init__(message, conflict, relaxations, joint_relaxation)
        self.note = note
        self.cut_by_clock = cut_by_clock


class UnattainedConfidenceError(LimitsError):
    """No plan was found that keeps the deadlines with the confidence asked for.

    Nothing is proven of plans not tried. `attainable_confidence` is that of the surest plan found.
    """

    def __init__(
        self,
        message: str,
        conflict: tuple[str, ...],
        relaxations: tuple[LimitChange, ...],
        joint_relaxation: tuple[LimitChange, ...],
        attainable_confidence: float,
    ) -> None:
        super().__init__(message, conflict, relaxations, joint_relaxation)
        self.attainable_confidence = attainable_confidence


class UndecidedError(PlanningError):
    """Neither a plan nor a proof that there is none was found within the limits of the solver."""


class BoundContradictedError(PlanningError):
    """A plan is better than what was proven to be the best: a defect, which must not be hidden."""
