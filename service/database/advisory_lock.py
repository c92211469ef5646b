"""Who writes to a store's file: an advisory lock, which the kernel releases with its holder."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from contextlib import suppress
from pathlib import Path

from service.database.rescue import beside

logger = logging.getLogger("service.store")

SUFFIX = ".lock"
"""End of the name of the file that is locked, which stays: a deleted one locks nobody out."""


class AdvisoryLock:
    """A lock on a store's file that keeps nobody from writing, and warns of who else does.

    The lock is ``flock``'s on a file beside: SQLite's own locks on the database would go with any
    other descriptor of it that this process closes. The warning names the `setting` of the path.
    """

    def __init__(self, path: Path, setting: str) -> None:
        self._path, self._setting = path, setting
        self._descriptor: int | None = None
        self._warned = False

    def acquire(self) -> None:
        """Take the lock where nobody has it; else warn of whoever has it, once."""
        if self._descriptor is not None:
            return
        lock = beside(Path(os.path.realpath(self._path)), SUFFIX)
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
        # On a full disk the lock holds, and does not say whose it is.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Release the lock."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _warn(self, holder: str) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s: another service (process %s) keeps its actuals and policy in this file too: "
                "after a restart each learns from both, and has the policy that was kept last. Set "
                "%s to another file for one of them.",
                self._path,
                holder or "unknown",
                self._setting,
            )
