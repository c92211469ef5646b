"""An SQLite file and what may happen to it: damaged, deleted or replaced under a running service.

::

    StoreError        the store cannot be used; the message says why
    └── NoPlaceError  there is no file, and none can be made at its path: a process without a home

What was acknowledged stays: a damaged file is set aside and not overwritten, and what is only in a
file that was deleted is written again from the connection that still holds it.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

logger = logging.getLogger("service.store")

MEMORY = Path(":memory:")
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
LOG = "-wal"
BESIDE = (LOG, "-shm")
"""Files of SQLite beside its database."""

NO_PLACE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR})
"""What the system says where a file can never be made; not so of a full disk."""

Identity = tuple[int, int] | None


class StoreError(Exception):
    """Raised where the store cannot be used."""


class NoPlaceError(StoreError):
    """Raised where there is no file, and none can be made by this process at its path."""


class _DamagedError(Exception):
    """The file is no database, or one that is broken."""


class DatabaseFile:
    """One connection to an SQLite file; used by one thread.

    Parameters
    ----------
    path
        Of the file; ``:memory:`` for none. Its folder is made too, for its owner alone.
    prepare
        Makes the tables, or raises `StoreError` where the file holds what is not ours.
    timeout_s
        For which another process that writes is waited for [s].
    """

    def __init__(
        self, path: Path, prepare: Callable[[sqlite3.Connection], None], timeout_s: float
    ) -> None:
        self.path, self._prepare, self._timeout_s = path, prepare, timeout_s
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity = None
        self._log_identity: Identity = None

    def connection(self) -> sqlite3.Connection:
        """Return the connection, to a file that is at its path.

        Raises
        ------
        StoreError
            Where the file cannot be used.
        """
        if self._connection is not None and self._connection.in_transaction:
            return self._connection
        if self._connection is not None and not self._in_place():
            self._put_back(self._connection)
        if self._connection is None:
            self._connection = self._open()
            self.written()
        return self._connection

    def written(self) -> None:
        """See to it that what was committed is in a file that is at its path.

        Raises
        ------
        StoreError
            Where it is not, and cannot be put there.
        """
        if self._log_identity is None:
            self._log_identity = _identity(self._beside(LOG))
        if not self._in_place():
            self.connection()

    def failed(self, error: BaseException) -> None:
        """Roll back what was begun; a damaged file is opened, and looked at, anew."""
        connection = self._connection
        if connection is None:
            return
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()
        if _is_damage(error):
            self.close()

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        self._log_identity = None
        if connection is not None:
            connection.close()

    def _in_place(self) -> bool:
        if self.path == MEMORY:
            return True
        log = self._log_identity
        return _identity(self.path) == self._identity and (
            log is None or _identity(self._beside(LOG)) == log
        )

    def _is_our_log(self) -> bool:
        return _identity(self._beside(LOG)) == self._log_identity

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def _open(self) -> sqlite3.Connection:
        try:
            return self._opened()
        except _DamagedError as error:
            aside = self._set_aside("damaged")
            logger.error(
                "The file %s is damaged (%s). It is set aside as %s, and a new one is begun.",
                self.path, error, aside,
            )  # fmt: skip
        try:
            return self._opened()
        except _DamagedError as error:
            raise StoreError(f"Expected a database at {self.path}, got: {error}.") from None

    def _opened(self) -> sqlite3.Connection:
        try:
            self._make_file()
            connection = sqlite3.connect(
                self.path, isolation_level=None, timeout=self._timeout_s, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            never = getattr(error, "errno", None) in NO_PLACE and _identity(self.path) is None
            kind = NoPlaceError if never else StoreError
            raise kind(f"Expected a file that can be written, got {error}.") from error
        try:
            _check(connection)
            self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            if _is_damage(error):
                raise _DamagedError(error) from None
            raise StoreError(f"Expected a database at {self.path}, got: {error}.") from None
        except BaseException:
            connection.close()
            raise
        self._identity, self._log_identity = _identity(self.path), None
        return connection

    def _make_file(self) -> None:
        if self.path == MEMORY:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"Expected a regular file, got another kind at {self.path}.")
        log = self._beside(LOG)
        if found.st_size == 0 and log.exists() and log.stat().st_size:
            # SQLite would delete a log whose database is gone, with what was acknowledged.
            aside = self._set_aside("damaged")
            logger.error("The log of %s has lost its database. It is set aside as %s-wal.",
                         self.path, aside)  # fmt: skip
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _set_aside(self, why: str) -> Path:
        """Rename the file and those beside it, and return its new name."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = self.path.with_name(f"{self.path.name}.{why}-{now}")
        try:
            for suffix in ("", *BESIDE):
                found = self._beside(suffix)
                # The log that this process still writes belongs to no other database.
                ours = suffix != "" and self._connection is not None and self._is_our_log()
                if found.exists() and not ours:
                    found.rename(aside.with_name(aside.name + suffix))
        except OSError as error:
            raise StoreError(f"{self.path} is {why} and cannot be set aside: {error}.") from None
        return aside

    def _put_back(self, connection: sqlite3.Connection) -> None:
        """Write what the connection holds to the path again, from which its file was taken."""
        try:
            if _identity(self.path) == self._identity:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self.close()
                what = "Its log was deleted"
            else:
                what = self._write_again(connection)
        except (OSError, sqlite3.Error) as error:
            msg = f"{self.path} was deleted, and cannot be written again: {error}."
            raise StoreError(msg) from None
        logger.error("%s, %s: all that was acknowledged is written again.", self.path, what)

    def _write_again(self, connection: sqlite3.Connection) -> str:
        part = self._beside(".rescued")
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection.execute("VACUUM INTO ?", (str(part),))
        _sync(part)
        what = "it was deleted"
        if self.path.exists():
            aside = self._set_aside("replaced")
            what = f"it was replaced by another, which is set aside as {aside}"
        self.close()
        for suffix in BESIDE:
            self._beside(suffix).unlink(missing_ok=True)
        part.rename(self.path)
        _sync(self.path.parent)
        return what


def rewrite(connection: sqlite3.Connection) -> None:
    """Write the number of the schema once more: nothing changes, and a full disk is found."""
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {number}")


def _check(connection: sqlite3.Connection) -> None:
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise _DamagedError(found)


def _is_damage(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in DAMAGED


def _identity(path: Path) -> Identity:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
