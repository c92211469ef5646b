"""Looks at the stores again and again: what is gone is noticed, and what is mended used again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from service.database.errors import StoreError
from service.endless import every

PERIOD_S = 5.0


async def watch_stores(probes: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Probe each store until cancelled; each tells itself what it finds.

    Parameters
    ----------
    probes
        Raise `StoreError` where a store cannot be used.
    """

    async def probe_all() -> None:
        for probe in probes:
            with suppress(StoreError):
                await probe()

    await every(PERIOD_S, probe_all)
