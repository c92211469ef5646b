"""Actuals to keep, and what is found of them afterwards."""

from __future__ import annotations

from pathlib import Path

from service.decisions.actuals.store import ActualsStore
from service.decisions.records import Actual


def actual(name: str, measured_j: float | None = None) -> Actual:
    return Actual(
        name, 1.0, "a", "p", "1xh100", None, 10.0, 10.0, measured_j, 1.0, 2.0, 1.0, "first"
    )  # fmt: skip


async def kept(path: Path, most: int = 1000) -> list[Actual]:
    """Return what another process would find."""
    store = ActualsStore(path, most)
    try:
        return await store.recent(10**6)
    finally:
        await store.stop()


async def names(path: Path, most: int = 1000) -> list[str]:
    return [one.id for one in await kept(path, most)]
