"""Notices when files have changed, so that they are loaded again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from time import monotonic

from costmodel.files import stamp

logger = logging.getLogger("service.file_changes")

UNEXPECTED = "cannot be used, by a fault of jouleplan's own; the log tells more."
RETRY_S = 30.0
"""Seconds after which what could not be used is tried again, though it looks as it did: a disk that
gives an error, or a system without open files to spare, changes no time of a file."""


def fingerprint(folder: Path, fleet: Path) -> str:
    """Return a digest of the names and stamps of the fleet file and the files of cost models.

    Files whose names begin with a dot are being written, and left out.
    """
    try:
        names = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        refused = None
    except OSError as error:
        names, refused = [], error.errno
    found = [(str(path), stamp(path)) for path in sorted({fleet, *names})]
    return sha256(repr((refused, found)).encode()).hexdigest()


async def follow(
    stamp_of: Callable[[], object],
    loaded: object,
    period_s: float,
    reload: Callable[[], Awaitable[None]],
    failing: Callable[[], bool],
    retry_s: float = RETRY_S,
) -> None:
    """Call `reload` whenever files have changed and stayed so for a period.

    Parameters
    ----------
    stamp_of
        Returns what changes when a file does; runs in a thread.
    loaded
        What it returned of the files that are loaded.
    period_s
        Time between two calls of it [s].
    reload
        Loads it; where it raises, that is logged and it is tried again.
    failing
        Whether what was loaded last could not be used, so that it is worth another try.
    retry_s
        Time between such tries [s].
    """
    before, tried_s = loaded, monotonic()
    while True:
        await asyncio.sleep(period_s)
        try:
            now = await asyncio.to_thread(stamp_of)
            again = failing() and monotonic() - tried_s >= retry_s
            if now == before and (now != loaded or again):
                tried_s = monotonic()
                await reload()
                loaded = now
            before = now
        except Exception:
            logger.exception("What has changed could not be loaded yet.")
