"""Who writes to a store's file: a claim on it, which the kernel lets go of with its holder."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from contextlib import suppress
from pathlib import Path

from service.database.rescue import beside

logger = logging.getLogger("service.store")

CLAIM = ".lock"
"""Of the name of the file that is locked; it stays, since one that is deleted locks nobody out."""


class Claim:
    """Tells whether another process writes to the same file; it keeps nobody from doing so.

    The lock is ``flock``'s on a file beside: SQLite's own locks on the database would go with any
    other descriptor of it that this process closes.

    Parameters
    ----------
    path
        Of the store's file, whose folder is there.
    setting
        The variable that names the file.
    """

    def __init__(self, path: Path, setting: str) -> None:
        self._path, self._setting = path, setting
        self._descriptor: int | None = None
        self._told = False

    def renew(self) -> None:
        """Take the claim where nobody has it; else warn of whoever has it, once."""
        if self._descriptor is not None:
            return
        lock = beside(Path(os.path.realpath(self._path)), CLAIM)
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            logger.debug("%s: who else writes to it is not known: %s", self._path, error)
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                self._warn(os.pread(descriptor, 20, 0).decode("ascii", "replace").strip())
            os.close(descriptor)
            return
        self._descriptor = descriptor
        # On a full disk the claim holds, and does not say whose it is.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go of the claim."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _warn(self, holder: str) -> None:
        if not self._told:
            self._told = True
            logger.warning(
                "%s: another service (process %s) keeps its actuals and policy in this file too: "
                "after a restart each learns from both, and has the policy that was kept last. Set "
                "%s to another file for one of them.",
                self._path,
                holder or "unknown",
                self._setting,
            )
