"""What can still be read of a damaged SQLite file, written to another, row by row."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

MAX_FAILURES = 50_000
"""Reads that fail one after the other: what is left of a table then is given up, in some seconds.

A page of rows that is lost has some hundred at most; one that leads to such pages, some twenty
thousand. Each of them takes two reads that fail, at the end, when all that is sound was read."""

_LAST_NUMBER = 2**40
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNREADABLE = frozenset(
    {sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
)
"""Errors of a log that was cut, and of a disk that lost a block."""

Row = tuple[Any, ...]


def copy_readable(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy each row that can be read, and that the target lacks.

    The source is damaged, and may lack columns of the target, which is sound and has all tables.
    """
    # What a file that was cut says of its own size is no reason to read nothing of it.
    with _tolerating(source):
        target.execute("BEGIN IMMEDIATE")
        for table in _tables(target):
            columns = _columns(target, table) & _columns(source, table)
            if columns:
                _copy_table(source, target, table, sorted(columns))
        target.execute("COMMIT")


def is_damage(error: BaseException) -> bool:
    """Return whether an error says that a database cannot be read."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF in _DAMAGED or code in _UNREADABLE)


@contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that leaves a file and its log as they lie."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        yield connection


@contextmanager
def _tolerating(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("PRAGMA writable_schema = ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA writable_schema = OFF")


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return [name for (name,) in rows.fetchall()]


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    try:
        rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        return {name for (name,) in rows}
    except sqlite3.DatabaseError:
        return set()


def _copy_table(
    source: sqlite3.Connection, target: sqlite3.Connection, table: str, columns: list[str]
) -> None:
    names = ", ".join(("rowid", *columns))
    # By its limit it does not look for what follows the last row, which may be lost.
    query = (
        f"SELECT {names} FROM {table} WHERE rowid BETWEEN ?1 AND ?2 "  # noqa: S608
        "ORDER BY rowid LIMIT 1 + ?2 - ?1"
    )
    places = ", ".join("?" * (1 + len(columns)))
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})"  # noqa: S608
    for row in _readable(source, query, _last_number(source, table)):
        try:
            target.execute(insert, row)
        except sqlite3.IntegrityError:
            # What was read is no row of this table.
            continue


def _readable(source: sqlite3.Connection, query: str, last: int) -> Iterator[Row]:
    """Give the rows whose pages are sound: around those that are not, ranges are halved.

    The long ones first, so what is lost somewhere is no reason to give up what lies behind.
    """
    ranges, failures = deque([(0, last)]), 0
    while ranges and failures < MAX_FAILURES:
        first, high = ranges.popleft()
        low = first
        try:
            for row in source.execute(query, (first, high)):
                failures = 0
                low = row[0] + 1
                yield row
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            failures += 1
            if first < low < high:
                # A row is given when the next was found, so the last one before a hole was not.
                ranges.appendleft((low, low))
                low += 1
            middle = (low + high) // 2
            if low < high:
                ranges += [(low, middle), (middle + 1, high)]


def _last_number(source: sqlite3.Connection, table: str) -> int:
    for query in (
        f"SELECT max(rowid) FROM {table}",  # noqa: S608
        f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'",  # noqa: S608
    ):
        try:
            row = source.execute(query).fetchone()
        except sqlite3.DatabaseError:
            continue
        if row is not None and row[0] is not None:
            return int(row[0])
    return _last_near(source, table)


def _last_near(source: sqlite3.Connection, table: str) -> int:
    """Return a number beyond that of the last row, where neither can be read.

    Whatever lies behind the last row fails as it does, so numbers that fail are tried downwards.
    """
    query = f"SELECT max(rowid) FROM {table} WHERE rowid <= ?"  # noqa: S608
    number = _LAST_NUMBER
    while number > 1:
        try:
            source.execute(query, (number,)).fetchone()
        except sqlite3.DatabaseError:
            number -= max(1, number // 8)
        else:
            return 2 * number
    return _LAST_NUMBER
