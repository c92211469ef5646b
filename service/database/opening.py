"""A file that is to be opened: made where there is none, and looked at whether it is sound."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from pathlib import Path

from service.database.rescue import INDEX, LOG, beside
from service.database.stores import NoPlaceError, StoreError
from service.database.write_ahead_log import HarmedLogError, check_left_log

NO_PLACE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR})
"""What the system says where a file can never be made; not so of a full disk."""


class DamagedError(Exception):
    """The file is no database, or one that is broken."""


def make_file(path: Path) -> bool:
    """Make a file and its folder where they are missing; return whether it was there, and empty.

    Raises
    ------
    DamagedError
        If what lies there lacks what was written.
    StoreError
        If there is something else, or it cannot be made.
    """
    was_there = path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        kind = NoPlaceError if error.errno in NO_PLACE and not was_there else StoreError
        raise kind(f"Expected a file that can be written, got {error}.") from error
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"Expected a regular file, got another kind at {path}.")
    log = beside(path, LOG)
    if found.st_size == 0:
        if log.exists() and log.stat().st_size:
            # SQLite would delete a log whose database is gone, with what was acknowledged.
            raise DamagedError("its log has lost its database")
        return was_there
    try:
        check_left_log(log, beside(path, INDEX))
    except HarmedLogError as error:
        raise DamagedError(error) from None
    return False


def check_sound(connection: sqlite3.Connection, check: str = "quick_check") -> None:
    """Raise `DamagedError` where a database, by a check that is named, is not sound."""
    (found,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
    if found != "ok":
        raise DamagedError(" ".join(found.split()))


def is_sound(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether all can be read from the file, and bring what is in its log into it."""
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    # From the file, and not from memory.
    connection.execute("PRAGMA shrink_memory")
    try:
        if path.stat().st_size % page_bytes:
            return False
        check_sound(connection, "integrity_check")
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except (DamagedError, sqlite3.Error):
        return False
    return not busy
