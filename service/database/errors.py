"""What goes wrong with a store.

::

    ProblemError
    └── StoreError        the store cannot be used; the message says why
        └── NoPlaceError  there is no file, and none can be made: a process without a home
"""

from __future__ import annotations

from service.problems import Problem, ProblemError


class StoreError(ProblemError):
    """Raised where the store cannot be used: the problem of a call that needs it."""

    def __init__(self, detail: str, retry_after_s: int = 5) -> None:
        super().__init__(Problem("store-unavailable", detail, retry_after_s=retry_after_s))


class NoPlaceError(StoreError):
    """Raised where there is no file, and none can be made by this process at its path."""
