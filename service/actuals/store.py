"""Actuals in an SQLite file: each kept once, by its id; the oldest go first. Notes beside them.

Many come together, so a thread writes all that wait in one transaction, and each is acknowledged
when that is on disk.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from service.actuals.records import Actual, PlanSums, Sum
from service.store.database_file import MEMORY, DatabaseFile, NoPlaceError, StoreError, rewrite
from service.telemetry.failures import Failures

logger = logging.getLogger("service.actuals")

KEPT = ("actuals", "policy")
"""What is kept here, as failures name it."""
BUSY_S = 2.0
"""For which another process that writes is waited for."""
SCHEMA_NUMBER = 4
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
#: What schema 4 has beside.
_OWNERS = "ALTER TABLE actuals ADD COLUMN owner TEXT;"
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
FROM actuals WHERE plan_id = ? AND (? IS NULL OR owner IS NULL OR owner = ?)
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
    failures
        Where it is told that nothing can be kept, and that it can again.
    may_forget
        Keep actuals in memory where the file cannot be made to begin with: nobody asked for it.
    """

    def __init__(
        self,
        path: Path,
        most: int,
        failures: Failures | None = None,
        *,
        may_forget: bool = False,
    ) -> None:
        self._most, self._may_forget = most, may_forget
        self._file = DatabaseFile(path, _prepare, timeout_s=BUSY_S)
        self._failures = failures or Failures(logger, "Cannot keep {}:")
        for name in KEPT:
            self._failures.watch(name)
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="actuals-store", daemon=True)
        self._begun = False

    @property
    def in_memory(self) -> bool:
        """Whether what is kept is gone with this process."""
        return self._file.path == MEMORY

    async def recent(self, limit: int) -> list[Actual]:
        """Return the last actuals, oldest first.

        Raises
        ------
        StoreError
            Where the file cannot be used.
        """
        rows = await self._done(lambda c: c.execute(_SELECT, (limit,)).fetchall())
        return [Actual(*row) for row in reversed(rows)]

    async def noted(self, name: str) -> str | None:
        """Return the text under a name, None for none.

        Raises
        ------
        StoreError
            Where the file cannot be used.
        """
        query = "SELECT text FROM notes WHERE name = ?"
        row = await self._done(lambda c: c.execute(query, (name,)).fetchone())
        return None if row is None else str(row[0])

    async def probe(self) -> None:
        """Find out whether the file is in its place, and can be written where it could not.

        Raises
        ------
        StoreError
            Where it cannot.
        """
        failing = any(self._failures.known[name] is not None for name in KEPT)
        await self._done(rewrite if failing else _nothing, writes=failing)

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

        return await self._done(insert, writes=True)

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

        return await self._done(update, writes=True)

    async def of_plan(self, plan_id: str, teller: str | None = None) -> PlanSums:
        """Return what came of the requests of a plan.

        Parameters
        ----------
        plan_id
            Of the plan.
        teller
            Whose actuals count, beside those that nobody owns; None for all.

        Raises
        ------
        StoreError
            Where the file cannot be read.
        """

        def read(connection: sqlite3.Connection) -> PlanSums:
            row = connection.execute(_SUMS, (plan_id, teller, teller)).fetchone()
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

        await self._done(write, writes=True)

    async def _done(self, work: Work[Result], *, writes: bool = False) -> Result:
        """Return what comes of a work, and tell whether the file can be used, and written."""
        if not self._begun:
            self._thread.start()
            self._begun = True
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.put((work, loop, future))
        try:
            result = await future
        except StoreError as error:
            if not isinstance(error, _MistakeError):
                for name in KEPT:
                    self._failures.failed(name, str(error))
            raise
        if writes:
            for name in KEPT:
                self._failures.mended(name)
        return result

    async def stop(self) -> None:
        """End when what waits is written."""
        if self._begun:
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            together, last = [first], False
            while len(together) < MOST_TOGETHER and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    last = True
                    break
                together.append(following)
            try:
                results = self._write(together)
            except Exception as error:  # whatever it is: who waits must hear of it
                self._file.failed(error)
                _tell_all(together, _refusal(error))
            else:
                for (_, loop, future), result in zip(together, results, strict=True):
                    loop.call_soon_threadsafe(_settle, future, result)
            if last:
                break
        self._file.close()

    def _write(self, together: Sequence[Waiting]) -> list[Any]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        results = [work(connection) for work, _, _ in together]
        connection.execute("COMMIT")
        self._file.written()
        return results

    def _connection(self) -> sqlite3.Connection:
        try:
            connection = self._file.connection()
        except NoPlaceError as error:
            if not self._may_forget:
                raise
            logger.warning("Actuals are kept in memory only. %s", error)
            self._file = DatabaseFile(MEMORY, _prepare, timeout_s=BUSY_S)
            connection = self._file.connection()
        self._may_forget = False
        return connection


class _MistakeError(StoreError):
    """What was to be kept cannot be, whatever the file is like."""


def _nothing(_: sqlite3.Connection) -> None:
    """Find out whether a transaction can be begun."""


def _refusal(error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return error
    kind = StoreError if isinstance(error, sqlite3.Error | OSError) else _MistakeError
    return kind(f"Actuals cannot be kept now: {error}.")


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or what an older file lacks; refuse what is not ours unchanged."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if found not in range(SCHEMA_NUMBER + 1) or (found == 0 and tables):
        raise StoreError(f"Expected actuals of schema {SCHEMA_NUMBER}, got schema {found}.")
    connection.execute("PRAGMA journal_mode = WAL")
    missing = "".join((_TABLE, _COST_MODELS, _CHOICES, _OWNERS)[found:])
    if missing:
        connection.executescript(
            f"BEGIN IMMEDIATE; {missing} PRAGMA user_version = {SCHEMA_NUMBER}; COMMIT;"
        )


def _tell_all(together: Sequence[Waiting], error: StoreError) -> None:
    for _, loop, future in together:
        loop.call_soon_threadsafe(_fail, future, error)


def _settle(future: asyncio.Future[Result], result: Result) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: StoreError) -> None:
    if not future.done():
        future.set_exception(error)
