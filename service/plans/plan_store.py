"""The plans in the database: added, ended, found, listed, and dropped when there are too many.

Nothing here knows of the event loop; `service.plans.thread` calls it from one thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import time
from typing import Any

from service.calls.content import Content, chunks
from service.calls.schemas.shards import Shard
from service.database.contents import Loss
from service.database.database_file import DatabaseFile
from service.database.file_watch import rewrite
from service.database.stores import StoreError
from service.plans.records import PlanProgress, PlanRecord, ReplyHead

CHUNK_BYTES = 4 * 1024 * 1024
"""An answer of hundreds of megabytes is written and read in parts, so that no step is long."""

INTERRUPTED_EVENT = 10**9
"""Event of an interrupted plan, far above those that it had published: nobody knows how many."""

_FIELDS = (
    "number, plan_id, status, created_at, elapsed_s, phase, incumbent, lower_bound, gap, events, "
    "reply_status, media_type, headers, size, problem, shards, owner"
)
_SEEN = "(? IS NULL OR owner IS NULL OR owner = ?)"
"""Condition under which a viewer sees a row, as `PlanRecord.seen_by`; the viewer is given twice."""
_NEWEST = 2**63 - 1
_DROP = """
DELETE FROM plans WHERE number IN (
    SELECT number FROM (
        SELECT number, ended_at,
            ROW_NUMBER() OVER newest AS place,
            SUM(size) OVER newest AS total
        FROM plans WHERE ended_at IS NOT NULL
        WINDOW newest AS (ORDER BY number DESC)
    ) WHERE place > ? OR total > ? OR ended_at < ?
)
"""


@dataclass(frozen=True)
class StoreLimits:
    """How many plans that have ended are kept, their bytes, and their age [s]."""

    plans: int
    size: int
    age_s: float


class PlanStore:
    """The plans of one database.

    Of those that have ended the oldest are dropped first, as its limits have it.

    Attributes
    ----------
    interrupted
        Number of plans that were being made when the store was last left.
    """

    def __init__(self, file: DatabaseFile, limits: StoreLimits) -> None:
        self._file = file
        self._limits = limits
        with self._transaction():
            self.interrupted = self._connection.execute(
                "UPDATE plans SET status = 'interrupted', ended_at = ?, elapsed_s = NULL, "
                "phase = NULL, events = ? WHERE ended_at IS NULL",
                (time(), INTERRUPTED_EVENT),
            ).rowcount
            self._drop()

    def close(self) -> None:
        """Close the database."""
        self._file.close()

    def probe(self, *, write: bool) -> None:
        """See whether the file is as it was left and, by writing what is there, can be written."""
        with self._as_store_errors():
            self._file.check()
        if write:
            with self._transaction():
                rewrite(self._connection)

    def losses(self) -> list[Loss]:
        """Return what was lost since the last call."""
        return self._file.take_losses()

    @property
    def _connection(self) -> sqlite3.Connection:
        return self._file.connection()

    def add(self, record: PlanRecord) -> None:
        """Keep a plan that was accepted."""
        with self._transaction():
            self._insert(record)

    def _insert(self, record: PlanRecord) -> None:
        self._connection.execute(
            "INSERT INTO plans (plan_id, status, created_at, events, owner) VALUES (?, ?, ?, ?, ?)",
            (record.plan_id, record.status, record.created_at, record.events, record.owner),
        )

    def end(self, record: PlanRecord, body: Content = b"") -> None:
        """Keep how a plan ended, and its answer."""
        head, progress = record.head, record.progress
        reply: tuple[int | None, str | None, str | None, int] = (None, None, None, 0)
        shards = None
        if head is not None:
            reply = (head.status, head.media_type, json.dumps(dict(head.headers)), head.size)
            if head.shards:
                shards = json.dumps([shard.kept() for shard in head.shards])
        with self._transaction():
            # It may have been lost with a damaged file while it was being made.
            known = "SELECT 1 FROM plans WHERE plan_id = ?"
            if self._connection.execute(known, (record.plan_id,)).fetchone() is None:
                self._insert(record)
            self._connection.execute(
                "UPDATE plans SET status = ?, ended_at = ?, elapsed_s = ?, phase = ?, "
                "incumbent = ?, lower_bound = ?, gap = ?, events = ?, reply_status = ?, "
                "media_type = ?, headers = ?, size = ?, problem = ?, shards = ? "
                "WHERE plan_id = ?",
                (
                    record.status, time(), record.elapsed_s, progress.phase, progress.incumbent,
                    progress.lower_bound, progress.gap, record.events, *reply, record.problem,
                    shards, record.plan_id,
                ),
            )  # fmt: skip
            self._write_chunks(record.plan_id, body)
            self._drop()
        self._shrink()

    def find(self, plan_id: str) -> PlanRecord | None:
        """Return a plan, None where there is none of that name."""
        found = self._select("plan_id = ?", (plan_id,), 1)
        return found[0] if found else None

    def recent(self, limit: int, before: int | None, viewer: str | None = None) -> list[PlanRecord]:
        """Return at most `limit` plans that `viewer` sees.

        The newest come first, with numbers below `before`.
        """
        seen = f"{_SEEN} AND number < ?"
        return self._select(seen, (viewer, viewer, _NEWEST if before is None else before), limit)

    def chunk(self, number: int, position: int) -> bytes | None:
        """Return a part of the answer of plan `number`, None past its end."""
        with self._as_store_errors():
            row = self._connection.execute(
                "SELECT body FROM chunks WHERE plan_number = ? AND position = ?", (number, position)
            ).fetchone()
        return None if row is None else row[0]

    def is_gone(self, plan_id: str, viewer: str | None = None) -> bool:
        """Return whether a plan of a batch file that `viewer` saw had that name, and is gone."""
        with self._as_store_errors():
            return bool(
                self._connection.execute(
                    f"SELECT 1 FROM gone WHERE plan_id = ? AND {_SEEN} UNION ALL "  # noqa: S608
                    f"SELECT 1 FROM plans WHERE plan_id = ? AND {_SEEN} AND shards IS NOT NULL "
                    "AND ended_at < ?",
                    (*2 * (plan_id, viewer, viewer), time() - self._limits.age_s),
                ).fetchone()
            )

    def remove(self, plan_id: str) -> None:
        """Forget a plan and its answer."""
        with self._transaction():
            self._connection.execute("DELETE FROM plans WHERE plan_id = ?", (plan_id,))
        self._shrink()

    def totals(self) -> tuple[int, int]:
        """Return how many plans have ended, and the bytes of their answers."""
        with self._as_store_errors():
            count, size = self._connection.execute(
                "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM plans WHERE ended_at IS NOT NULL"
            ).fetchone()
        return count, size

    def _select(self, where: str, values: tuple[Any, ...], limit: int) -> list[PlanRecord]:
        with self._as_store_errors():
            rows = self._connection.execute(
                f"SELECT {_FIELDS} FROM plans WHERE {where} "  # noqa: S608  no text of a caller
                "AND (ended_at IS NULL OR ended_at >= ?) ORDER BY number DESC LIMIT ?",
                (*values, time() - self._limits.age_s, limit),
            ).fetchall()
        return [_record(row) for row in rows]

    def _write_chunks(self, plan_id: str, body: Content) -> None:
        for position, part in enumerate(chunks(body, CHUNK_BYTES)):
            self._connection.execute(
                "INSERT INTO chunks SELECT number, ?, ? FROM plans WHERE plan_id = ?",
                (position, part, plan_id),
            )

    def _drop(self) -> None:
        limits = self._limits
        self._connection.execute(_DROP, (limits.plans, limits.size, time() - limits.age_s))

    def _shrink(self) -> None:
        """Give the room of dropped plans back to the disk, if that can be."""
        with suppress(sqlite3.Error):
            # One step of it frees one page only: `execute` makes one, a script makes them all.
            self._connection.executescript("PRAGMA incremental_vacuum")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._as_store_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
            self._file.written()

    @contextmanager
    def _as_store_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._file.failed(error)
            raise StoreError(f"The database of plans failed: {error}.") from error
        except BaseException as error:
            self._file.failed(error)
            raise


def _record(row: tuple[Any, ...]) -> PlanRecord:
    (number, plan_id, status, created_at, elapsed_s, phase, incumbent, lower_bound, gap, events,
     reply_status, media_type, headers, size, problem, shards, owner) = row  # fmt: skip
    head = None
    if reply_status is not None:
        head = ReplyHead(reply_status, media_type, json.loads(headers), size, _shards(shards))
    return PlanRecord(
        plan_id=plan_id,
        status=status,
        created_at=created_at,
        elapsed_s=elapsed_s,
        progress=PlanProgress(phase, incumbent, lower_bound, gap),
        events=events,
        head=head,
        problem=problem,
        number=number,
        owner=owner,
    )


def _shards(kept: str | None) -> tuple[Shard, ...]:
    return () if kept is None else tuple(map(Shard.of, json.loads(kept)))
