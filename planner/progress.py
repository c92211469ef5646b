"""What is known while a plan is being made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """A look at a run of the planner.

    Attributes
    ----------
    phase
        What it does: ``relaxing``, ``candidates``, ``bounding``, ``improving``, ``searching``,
        ``comparing`` or ``padding``; ``explaining`` where there is no plan.
    incumbent
        Objective of the best plan so far; None while there is none.
    lower_bound
        Proven so far; None while nothing is.
    gap
        Relative gap between the two; None while one is missing.
    elapsed_s
        Seconds since the run began.
    """

    phase: str
    incumbent: float | None
    lower_bound: float | None
    gap: float | None
    elapsed_s: float


OnProgress = Callable[[Progress], None]
"""Is called with every phase and every better plan or bound, in order."""


def ignore_progress(_: Progress) -> None:
    """Do nothing with it: the default where nobody wants to know."""
