"""Notices when files have changed, so that they are loaded again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

logger = logging.getLogger("service.workers.reloading")

Fingerprint = tuple[tuple[str, int, int, int, int], ...]


def fingerprint(folder: Path, fleet: Path | None) -> Fingerprint:
    """Return what tells a changed file from the same one: name, inode, size and times of change.

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
        found.append(
            (str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        )
    return tuple(found)


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
