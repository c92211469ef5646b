"""Notices when cost models or the fleet file change, so that workers load them again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.settings import Settings

logger = logging.getLogger("service.workers.reloading")

Fingerprint = tuple[tuple[str, int, int, int], ...]


def fingerprint(folder: Path, fleet: Path | None) -> Fingerprint:
    """Return what tells a changed file from the same one: name, inode, size and time of change.

    Parameters
    ----------
    folder
        Of the cost models; files whose names begin with a dot are being written, and left out.
    fleet
        The fleet file, where there is one.
    """
    try:
        names = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError:
        names = []
    found = []
    for path in sorted({*names, *([fleet] if fleet else [])}):
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((str(path), status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


async def follow_files(settings: Settings, reload: Callable[[], Awaitable[None]]) -> None:
    """Call `reload` whenever the files have changed and stayed as they are for a period.

    Parameters
    ----------
    settings
        Names the files, and the period.
    reload
        Lets the workers load them; where it raises, that is logged and it is tried again.
    """

    def look() -> Fingerprint:
        return fingerprint(settings.models_dir, settings.fleet_path)

    await follow(look, await asyncio.to_thread(look), settings.reload_seconds, reload)


async def follow(
    look: Callable[[], object],
    loaded: object,
    period_s: float,
    reload: Callable[[], Awaitable[None]],
) -> None:
    """Call `reload` whenever what is looked at has changed and stayed so for a period.

    Parameters
    ----------
    look
        Returns what tells a changed file from the same one; runs in a thread.
    loaded
        What it returned of what is loaded.
    period_s
        Between looks [s].
    reload
        Loads it; where it raises, that is logged and it is tried again.
    """
    before = loaded
    while True:
        await asyncio.sleep(period_s)
        now = await asyncio.to_thread(look)
        if now == before and now != loaded:
            try:
                await reload()
                loaded = now
            except Exception:
                logger.exception("What has changed could not be loaded yet.")
        before = now
