"""What goes wrong with a store, and the probes that notice it.

::

    ProblemError
    └── StoreError        the store cannot be used; the message says why
        └── NoPlaceError  there is no file, and none can be made: a process without a home
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from service.periodic import run_periodically
from service.problems import Problem, ProblemError

PROBE_PERIOD_S = 5.0


class StoreError(ProblemError):
    """Raised where the store cannot be used: the problem of a call that needs it."""

    def __init__(self, detail: str, retry_after_s: int = 5) -> None:
        super().__init__(Problem("store-unavailable", detail, retry_after_s=retry_after_s))


class NoPlaceError(StoreError):
    """Raised where there is no file, and none can be made by this process at its path."""


async def probe_stores(probes: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Probe stores until cancelled: what is gone is noticed, and what is mended used again.

    A probe raises `StoreError` where its store cannot be used, and reports by itself what it finds.
    """

    async def probe_all() -> None:
        for probe in probes:
            with suppress(StoreError):
                await probe()

    await run_periodically(PROBE_PERIOD_S, probe_all)
