"""Actuals in an SQLite file: each kept once, by its id; the oldest go first. Notes beside them.

Many come together, so a thread writes all that wait in one transaction, and each is acknowledged
when that is on disk.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from service.actuals.records import Actual, PlanSums, Sum
from service.store.database import MEMORY, StoreError

SCHEMA_NUMBER = 3
MOST_TOGETHER = 1000

_NAMES = tuple(field.name for field in fields(Actual))
_values = attrgetter(*_NAMES)
_TABLE = """
CREATE TABLE actuals (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at REAL NOT NULL,
    llm TEXT NOT NULL, pool TEXT NOT NULL, device TEXT NOT NULL, route TEXT,
    input_tokens REAL, output_tokens REAL,
    measured_j REAL, measured_s REAL, predicted_j REAL, predicted_s REAL
) STRICT;
"""
#: What schema 2 has beside; some files of schema 1 have notes already.
_COST_MODELS = """
ALTER TABLE actuals ADD COLUMN cost_model TEXT;
ALTER TABLE actuals ADD COLUMN plan_id TEXT;
CREATE INDEX actuals_of_plans ON actuals (plan_id) WHERE plan_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
"""
#: What schema 3 has beside.
_CHOICES = "ALTER TABLE actuals ADD COLUMN choices INTEGER NOT NULL DEFAULT 1;"
# Not `OR IGNORE`: what is ignored takes a number all the same, and with it the place of another.
_INSERT = (
    f"INSERT INTO actuals ({', '.join(_NAMES)}) "  # noqa: S608 (names of our own)
    f"SELECT {', '.join('?' * len(_NAMES))} WHERE NOT EXISTS (SELECT 1 FROM actuals WHERE id = ?)"
)
_TRIM = "DELETE FROM actuals WHERE number <= (SELECT max(number) FROM actuals) - ?"
_MEASURE = (
    "UPDATE actuals SET measured_j = ? WHERE id = ? AND measured_j IS NULL "  # noqa: S608
    f"RETURNING {', '.join(_NAMES)}"
)
_SUMS = """
SELECT count(*), total(output_tokens),
    count(measured_j + predicted_j),
    total(iif(predicted_j IS NULL, NULL, measured_j)),
    total(iif(measured_j IS NULL, NULL, predicted_j)),
    count(measured_s + predicted_s),
    total(iif(predicted_s IS NULL, NULL, measured_s)),
    total(iif(measured_s IS NULL, NULL, predicted_s))
FROM actuals WHERE plan_id = ?
"""
_SELECT = f"SELECT {', '.join(_NAMES)} FROM actuals ORDER BY number DESC LIMIT ?"  # noqa: S608

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]
"""Reads or writes within a transaction."""
Waiting = tuple[Work[Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class ActualsStore:
    """The thread that keeps actuals.

    Parameters
    ----------
    path
        Of the file; ``:memory:`` for none.
    most
        Actuals that are kept.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._path, self._most = path, most
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="actuals-store", daemon=True)
        self._begun = False

    def recent(self, limit: int) -> list[Actual]:
        """Return the last actuals, oldest first, before anything is added.

        Raises
        ------
        StoreError
            Where the file cannot be used.
        """
        return [Actual(*row) for row in reversed(self._read(_SELECT, limit))]

    def noted(self, name: str) -> str | None:
        """Return the text under a name, None for none, before anything is added.

        Raises
        ------
        StoreError
            Where the file cannot be used.
        """
        rows = self._read("SELECT text FROM notes WHERE name = ?", name)
        return None if not rows else str(rows[0][0])

    def keep_in_memory(self) -> None:
        """Leave the file alone, before anything is added."""
        self._path = MEMORY

    async def add(self, actuals: Sequence[Actual]) -> list[Actual]:
        """Keep actuals; return those that were not known, when they are on disk.

        Raises
        ------
        StoreError
            Where they cannot be kept: none of them is then.
        """

        def insert(connection: sqlite3.Connection) -> list[Actual]:
            added = [
                one
                for one in actuals
                if connection.execute(_INSERT, (*_values(one), one.id)).rowcount
            ]
            connection.execute(_TRIM, (self._most,))
            return added

        return await self._done(insert)

    async def measure(self, energy_j: Mapping[str, float]) -> list[Actual]:
        """Keep the metered joules of actuals that have none; return these, when on disk.

        Raises
        ------
        StoreError
            Where they cannot be kept: none of them is then.
        """

        def update(connection: sqlite3.Connection) -> list[Actual]:
            rows = (
                connection.execute(_MEASURE, (joules, name)).fetchone()
                for name, joules in energy_j.items()
            )
            return [Actual(*row) for row in rows if row is not None]

        return await self._done(update)

    async def of_plan(self, plan_id: str) -> PlanSums:
        """Return what came of the requests of a plan.

        Raises
        ------
        StoreError
            Where the file cannot be read.
        """

        def read(connection: sqlite3.Connection) -> PlanSums:
            row = connection.execute(_SUMS, (plan_id,)).fetchone()
            return PlanSums(row[0], row[1], Sum(*row[2:5]), Sum(*row[5:8]))

        return await self._done(read)

    async def note(self, name: str, text: str | None) -> None:
        """Keep a text under a name in the place of what was there; None to forget it.

        Raises
        ------
        StoreError
            Where it cannot be kept.
        """

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM notes WHERE name = ?", (name,))
            if text is not None:
                connection.execute("INSERT INTO notes VALUES (?, ?)", (name, text))

        await self._done(write)

    def _read(self, query: str, value: object) -> list[tuple[Any, ...]]:
        connection = self._open()
        try:
            return connection.execute(query, (value,)).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"Expected a file of actuals, got {error}.") from None
        finally:
            connection.close()

    async def _done(self, work: Work[Result]) -> Result:
        if not self._begun:
            self._thread.start()
            self._begun = True
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.put((work, loop, future))
        return await future

    async def stop(self) -> None:
        """End when what waits is written."""
        if self._begun:
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while (first := self._waiting.get()) is not None:
            together, last = [first], False
            while len(together) < MOST_TOGETHER and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    last = True
                    break
                together.append(following)
            try:
                connection = connection or self._open()
                results = self._write(connection, together)
            except Exception as error:  # whatever it is: who waits must hear of it
                connection = _rolled_back(connection)
                _tell_all(together, StoreError(f"Actuals cannot be kept now: {error}."))
            else:
                for (_, loop, future), result in zip(together, results, strict=True):
                    loop.call_soon_threadsafe(_settle, future, result)
            if last:
                break
        if connection is not None:
            connection.close()

    def _write(self, connection: sqlite3.Connection, together: Sequence[Waiting]) -> list[Any]:
        connection.execute("BEGIN IMMEDIATE")
        results = [work(connection) for work, _, _ in together]
        connection.execute("COMMIT")
        return results

    def _open(self) -> sqlite3.Connection:
        try:
            if self._path != MEMORY:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=5.0)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"Expected a file that can be written, got {error}.") from None
        try:
            _prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            raise StoreError(f"Expected actuals in {self._path}, got {error}.") from None
        except StoreError:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or what an older file lacks; refuse what is not ours unchanged."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if found not in range(SCHEMA_NUMBER + 1) or (found == 0 and tables):
        raise StoreError(f"Expected actuals of schema {SCHEMA_NUMBER}, got schema {found}.")
    connection.execute("PRAGMA journal_mode = WAL")
    missing = "".join((_TABLE, _COST_MODELS, _CHOICES)[found:])
    if missing:
        connection.executescript(
            f"BEGIN IMMEDIATE; {missing} PRAGMA user_version = {SCHEMA_NUMBER}; COMMIT;"
        )


def _rolled_back(connection: sqlite3.Connection | None) -> sqlite3.Connection | None:
    if connection is None:
        return None
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        connection.close()
        return None
    return connection


def _tell_all(together: Sequence[Waiting], error: StoreError) -> None:
    for _, loop, future in together:
        loop.call_soon_threadsafe(_fail, future, error)


def _settle(future: asyncio.Future[Result], result: Result) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: StoreError) -> None:
    if not future.done():
        future.set_exception(error)
