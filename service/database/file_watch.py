"""Whether an SQLite file and its log lie at their path as they were left."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from service.database.opening import DamagedError, check_sound
from service.database.salvage import read_only
from service.database.write_ahead_log import (
    EMPTY,
    HarmedLogError,
    Identity,
    LogState,
    check_log,
    look_at_log,
)  # fmt: skip

logger = logging.getLogger("service.store")


@dataclass(frozen=True)
class FileStamp:
    """A database file as it was left."""

    identity: Identity
    size: int
    written_ns: int

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """Return how a file lies at a path; one of no identity where there is none."""
        try:
            found = path.stat()
        except OSError:
            return cls(None, 0, 0)
        return cls((found.st_dev, found.st_ino), found.st_size, found.st_mtime_ns)


class FileWatch:
    """Knows a file as it was left by this process.

    A database is written by checkpoints alone, and `checkpointed` is called after each: so it never
    shrinks and is never written in between, unless another process does so by SQLite's rules: the
    version of the data says when it commits, but not when it writes the log to the database. What a
    log held it holds until it is begun again.
    """

    def __init__(self, path: Path, log_path: Path) -> None:
        self._path, self._log_path = path, log_path
        self._main = FileStamp(None, 0, 0)
        self._log: LogState = EMPTY
        self._changes = self._version = 0
        self._was_read = self._is_shared = False

    @property
    def log(self) -> LogState:
        """What the log held last."""
        return self._log

    @property
    def log_is_harmed(self) -> bool:
        """Whether the log at the path, which is the one that was left there, lacks something."""
        try:
            check_log(self._log_path, self._log)
        except HarmedLogError:
            return self.is_our_log
        return False

    @property
    def is_ours(self) -> bool:
        """Whether the file at the path is the one that was left there."""
        return FileStamp.of(self._path).identity == self._main.identity

    @property
    def is_our_log(self) -> bool:
        """Whether the log at the path is the one that was left there."""
        return FileStamp.of(self._log_path).identity == self._log.identity

    def begin(self, connection: sqlite3.Connection, opened: Identity) -> None:
        """Watch a file that has just been opened, and whose log is in the database.

        `opened` lay at the path before; a file that has come there since is another.
        """
        self._changes, self._version = connection.total_changes, _data_version(connection)
        self._is_shared = False
        self._log = EMPTY
        self._main = replace(FileStamp.of(self._path), identity=opened)
        # What a process that was killed had begun to write is no harm; it is overwritten.
        with suppress(HarmedLogError):
            self._log = look_at_log(self._log_path)

    def checkpointed(self, *, complete: bool) -> None:
        """Take the database for as it was left by a checkpoint, as long as that can be.

        After a complete one all of the log is in the database, of the size that the log says.
        """
        self._remember(self._log.database_bytes if complete else self._main.size)

    def harm(self, connection: sqlite3.Connection, *, committed: bool) -> str | None:
        """Return what is wrong at a glance, or None.

        A transaction was `committed` since the last call, or else begins.
        """
        main, before = FileStamp.of(self._path), self._main
        if main.identity is None:
            return "it was deleted"
        if main.identity != before.identity:
            return "it was replaced by another"
        if main.size < before.size:
            return f"it was cut from {before.size} bytes to {main.size}"
        wrote = committed and connection.total_changes != self._changes
        self._changes = connection.total_changes
        try:
            log = look_at_log(self._log_path, self._log)
        except HarmedLogError as error:
            return str(error)
        if wrote and (log == self._log or not log.frames):
            # So it is as well where values were set to what they were. What is written now follows
            # the frames that are known, unless some were written in between.
            rewrite(connection)
            log = look_at_log(self._log_path, self._log)
            if log == self._log or not log.frames:
                return "its log lacks what was written last"
        # Of a log that was begun again all is new, and read.
        self._was_read = log.header != self._log.header or not self._log.frames
        self._log = log
        return None

    def hidden_harm(self, connection: sqlite3.Connection) -> str | None:
        """Return what is wrong on a closer look: in the log's midst, or in the database's.

        A log of which `harm` has just read all is not read again.
        """
        was_read, self._was_read = self._was_read, False
        try:
            if not was_read:
                check_log(self._log_path, self._log)
        except HarmedLogError as error:
            return str(error)
        main, version = FileStamp.of(self._path), _data_version(connection)
        if main != self._main and version == self._version:
            # A process that opens the file writes the log to it, which changes no version.
            if main.size < self._main.size or not _is_sound(self._path):
                return "it was written by another program"
            logger.info("%s: another process wrote to it, and it is sound.", self._path)
        self._is_shared |= version != self._version
        self._version = version
        self._remember(self._main.size)
        return None

    def is_shared(self, connection: sqlite3.Connection) -> bool:
        """Return whether another process has committed something since `begin`."""
        with suppress(sqlite3.Error):
            self._is_shared |= _data_version(connection) != self._version
        return self._is_shared

    def _remember(self, size: int) -> None:
        main = FileStamp.of(self._path)
        # One that is another, or smaller, is found by `harm`.
        if main.identity == self._main.identity:
            self._main = replace(main, size=max(main.size, size))


def rewrite(connection: sqlite3.Connection) -> None:
    """Write the number of the schema once more: nothing changes, and a full disk is found."""
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {number}")


def _is_sound(path: Path) -> bool:
    """Return whether others can read all from a file, whatever this process has in memory."""
    try:
        with read_only(path) as connection:
            check_sound(connection, "integrity_check")
    except (DamagedError, sqlite3.Error):
        return False
    return True


def _data_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
