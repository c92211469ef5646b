"""The end of the service: how far it is, and what callers get meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from service.problems import Problem

STOPPING = "The service is stopping."
RETRY_AFTER_S = 2
"""Time until whoever comes after this one is up, or another one has been found [s]."""


@dataclass
class Stopping:
    """How far the end of the service is.

    Attributes
    ----------
    begun
        Whether the service is not ready any more, though it still answers.
    cutting
        Whether calls still in flight are cancelled.
    """

    begun: bool = False
    cutting: bool = False


def stopping_problem() -> Problem:
    """Return the refusal of what would not end before the service does."""
    return Problem("not-ready", STOPPING, retry_after_s=RETRY_AFTER_S)


def cut_off_problem() -> Problem:
    """Return the answer of a call that had not ended when the service had to."""
    detail = f"{STOPPING} The call had not ended, and was cut off."
    return Problem("not-ready", detail, retry_after_s=RETRY_AFTER_S)
