"""What can be read of a harmed store, written to a new file that takes its place.

::

    store.sqlite3.rescuing  ->  store.sqlite3.rescued  ->  store.sqlite3
                                         what was there ->  store.sqlite3.damaged-<time>

A process that is killed meanwhile leaves the old file as it was, or a ``.rescued`` that the next
one puts into its place.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from service.database.contents import Contents
from service.database.salvage import copy_readable, read_only
from service.database.write_ahead_log import LogState, look_at_log, spoil_harmed_frames

LOG, INDEX = "-wal", "-shm"
BESIDE = (LOG, INDEX)
"""Files of SQLite beside its database."""
_PAGE_BYTES = 4096
_RESCUING, _RESCUED = ".rescuing", ".rescued"


def beside(path: Path, suffix: str) -> Path:
    """Return the file whose name is longer by a suffix."""
    return path.with_name(path.name + suffix)


def copy_whole(connection: sqlite3.Connection, path: Path) -> Path | None:
    """Return a new file with all that a connection holds; None where it cannot be made.

    It reads from its memory first, so what was damaged since may be whole there.
    """
    part = _new_part(path)
    try:
        connection.execute("VACUUM INTO ?", (str(part),))
    except sqlite3.DatabaseError:
        # Reading or writing has failed, it does not say which: row by row that is seen.
        return None
    return part


def copy_rows(
    source: sqlite3.Connection, path: Path, contents: Contents, part: Path | None = None
) -> Path:
    """Return a file with the rows of a damaged database that can be read, beside those of `part`.

    Raises
    ------
    OSError, sqlite3.Error
        If it cannot be written.
    """
    part = part or _new_part(path)
    with closing(sqlite3.connect(part, isolation_level=None)) as target:
        contents.prepare(target)
        target.execute("PRAGMA foreign_keys = OFF")
        copy_readable(source, target)
        target.executescript(contents.mend)
    return part


def copy_from_file(path: Path, contents: Contents, part: Path | None = None) -> Path:
    """Return a file with the rows that `copy_rows` can read of a file that nobody has open."""
    with in_whole_pages(path), read_only(path) as source:
        return copy_rows(source, path, contents, part)


@contextmanager
def in_whole_pages(path: Path, page_bytes: int = 0) -> Iterator[None]:
    """Hide the rest of a page that was cut off a damaged database: SQLite would fill it with zeros.

    An empty file gets a page, for its log to be looked at and not deleted. All is as it was
    afterwards; but for the locks of this process on a file that was not whole, which are gone.
    """
    size = path.stat().st_size
    page_bytes = page_bytes or _page_bytes(path)
    whole = size // page_bytes * page_bytes if size else page_bytes
    if whole == size:
        yield
        return
    with path.open("r+b") as file:
        file.seek(whole)
        rest = file.read()
        file.truncate(whole)
    try:
        yield
    finally:
        with path.open("r+b") as file:
            file.truncate(min(size, whole))
            file.seek(min(size, whole))
            file.write(rest)


def _page_bytes(path: Path) -> int:
    """Return the size of the pages of a file that nobody has open, by its header or its log's."""
    with path.open("rb") as file:
        found = int.from_bytes(file.read(18)[16:18], "big")
    found = 65536 if found == 1 else found
    if found < 512 or found & (found - 1):
        found = look_at_log(beside(path, LOG)).page_bytes
    return found or _PAGE_BYTES


def finish(path: Path, part: Path) -> Path:
    """Let a part count as the store from now on, though this process be killed."""
    rescued = beside(path, _RESCUED)
    _sync(part)
    part.replace(rescued)
    _sync(path.parent)
    return rescued


def is_waiting(path: Path) -> bool:
    """Return whether a rescued file is not in its place yet."""
    return beside(path, _RESCUED).exists()


def put_in_place(path: Path) -> Path | None:
    """Put the rescued file into its place; return where what was there is now, None for nothing.

    Nobody has the file open.
    """
    rescued = beside(path, _RESCUED)
    # One that was killed may have left it with a log of its own.
    with closing(sqlite3.connect(rescued)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    aside = set_aside(path, "damaged") if path.exists() else None
    for suffix in BESIDE:
        beside(path, suffix).unlink(missing_ok=True)
    rescued.replace(path)
    _sync(path.parent)
    return aside


def set_aside(path: Path, why: str, *, with_log: bool = True) -> Path:
    """Rename a file and those beside it, and return its new name."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = beside(path, f".{why}-{now}")
    for suffix in ("", *(BESIDE if with_log else ())):
        found = beside(path, suffix)
        if found.exists():
            found.rename(beside(aside, suffix))
    return aside


class OpenLog:
    """The log that SQLite has open of a store, apart from what lies at its path."""

    def __init__(self, path: Path) -> None:
        self._path, self._descriptor, self._is_apart = beside(path, LOG), -1, False
        with suppress(FileNotFoundError):
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def spoil(self, state: LogState) -> None:
        """Let SQLite read nothing of frames that are not as they were written."""
        if self._descriptor >= 0:
            self._set_apart()
            spoil_harmed_frames(self._descriptor, state)

    def close_without(self, connection: sqlite3.Connection) -> None:
        """Close a store without a checkpoint, which might write what is damaged over what is not.

        It can read nothing of its log then, of which what lies at the path is a copy.
        """
        if self._descriptor >= 0:
            self._set_apart()
            os.ftruncate(self._descriptor, 0)
        connection.close()

    def close(self) -> None:
        """Let go of the log."""
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def _set_apart(self) -> None:
        if not self._is_apart:
            copied = self._path.with_name(f"{self._path.name}.copy")
            shutil.copyfile(self._path, copied)
            copied.replace(self._path)
            self._is_apart = True


def _new_part(path: Path) -> Path:
    part = beside(path, _RESCUING)
    part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for suffix in ("", *BESIDE):
        beside(part, suffix).unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return part


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
