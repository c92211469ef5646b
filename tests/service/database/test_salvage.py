"""What can be read of a table whose tree lost some of its pages."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from service.database.salvage import copy_readable, read_only

ROWS = 60_000
PAGE = 4096
LEADS = 5
"""First byte of a page that leads to pages of rows."""


def make(path: Path, number: str) -> list[int]:
    """Make a table of rows, and return the pages that lead to those of its rows, in their order."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute(f"CREATE TABLE things (number {number}, text TEXT NOT NULL) STRICT")
        rows = ((one, f"{one:070}") for one in range(1, ROWS + 1))
        connection.executemany("INSERT INTO things VALUES (?, ?)", rows)
        connection.commit()
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'things'"
        (root,) = connection.execute(query).fetchone()
    found = path.read_bytes()
    pages = range(1, len(found) // PAGE)
    return [page for page in pages if found[page * PAGE] == LEADS and page + 1 != root]


def lose(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(bytes(PAGE))


def readable(path: Path) -> set[int]:
    """Return the rows that can be read, asked for one by one."""
    found = set()
    with read_only(path) as connection:
        for number in range(1, ROWS + 1):
            with suppress(sqlite3.DatabaseError):
                row = connection.execute("SELECT text FROM things WHERE number = ?", (number,))
                assert row.fetchall() == [(f"{number:070}",)]
                found.add(number)
    return found


def salvaged(path: Path, number: str) -> set[int]:
    target_path = path.with_name("target")
    with read_only(path) as source, closing(sqlite3.connect(target_path)) as target:
        target.isolation_level = None
        target.execute(f"CREATE TABLE things (number {number}, text TEXT NOT NULL) STRICT")
        copy_readable(source, target)
        rows = dict(target.execute("SELECT number, text FROM things").fetchall())
    assert rows == {number: f"{number:070}" for number in rows}
    return set(rows)


@pytest.mark.parametrize("number", ["INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER PRIMARY KEY"])
@pytest.mark.parametrize("lost", [[0], [1], [-1], [0, -1]], ids=str)
def test_of_a_page_that_led_to_many_nothing_is_lost_but_what_it_led_to(
    tmp_path: Path, number: str, lost: list[int]
) -> None:
    path = tmp_path / "things.sqlite3"
    leading = make(path, number)
    for one in lost:
        lose(path, leading[one])
    left = readable(path)
    assert 10_000 < len(left) < ROWS - 5000
    assert salvaged(path, number) == left
