"""The tables of actuals, and of notes beside them; what is read and written of them.

Each function works on a connection within a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import fields
from operator import attrgetter

from service.database.contents import Contents
from service.decisions.records import Actual, ActualKey, PlanSums, Sum

ACTUALS, POLICY = "actuals", "policy"
"""Names, in failures, of what is kept here."""

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
_COST_MODELS = """
ALTER TABLE actuals ADD COLUMN cost_model TEXT;
ALTER TABLE actuals ADD COLUMN plan_id TEXT;
CREATE INDEX actuals_of_plans ON actuals (plan_id) WHERE plan_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
"""
"""What schema 2 adds; some files of schema 1 have notes already."""
_CHOICES = "ALTER TABLE actuals ADD COLUMN choices INTEGER NOT NULL DEFAULT 1;"
"""What schema 3 adds."""
_OWNERS = "ALTER TABLE actuals ADD COLUMN owner TEXT;"
"""What schema 4 adds."""
_IDS_OF_OWNERS = f"""
ALTER TABLE actuals RENAME TO actuals_of_before;
DROP INDEX actuals_of_plans;
CREATE TABLE actuals (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, at REAL NOT NULL,
    llm TEXT NOT NULL, pool TEXT NOT NULL, device TEXT NOT NULL, route TEXT,
    input_tokens REAL, output_tokens REAL,
    measured_j REAL, measured_s REAL, predicted_j REAL, predicted_s REAL,
    cost_model TEXT, plan_id TEXT, choices INTEGER NOT NULL DEFAULT 1, owner TEXT
) STRICT;
INSERT INTO actuals (number, {", ".join(_NAMES)})
    SELECT number, {", ".join(_NAMES)} FROM actuals_of_before;
DROP TABLE actuals_of_before;
CREATE UNIQUE INDEX actuals_by_owner ON actuals (id, ifnull(owner, ''));
CREATE INDEX actuals_of_plans ON actuals (plan_id) WHERE plan_id IS NOT NULL;
"""  # noqa: S608
"""What schema 5 adds: an id is its owner's own. A column that is unique cannot become another in
its place."""
_SEEN = "(? IS NULL OR owner IS NULL OR owner = ?)"
"""Condition under which an owner sees a row, as `PlanRecord.seen_by`; the owner is given twice."""
# Not `OR IGNORE`: what is ignored takes a number all the same, and with it the place of another.
_INSERT = (
    f"INSERT INTO actuals ({', '.join(_NAMES)}) "  # noqa: S608 (names of our own)
    f"SELECT {', '.join('?' * len(_NAMES))} "
    f"WHERE NOT EXISTS (SELECT 1 FROM actuals WHERE id = ? AND {_SEEN})"
)
_TRIM = "DELETE FROM actuals WHERE number <= (SELECT max(number) FROM actuals) - ?"
_MEASURE = (
    "UPDATE actuals SET measured_j = ? WHERE id = ? AND owner IS ? AND measured_j IS NULL "  # noqa: S608
    f"RETURNING {', '.join(_NAMES)}"
)
_SUMS = f"""
SELECT count(*), total(output_tokens),
    count(measured_j + predicted_j),
    total(iif(predicted_j IS NULL, NULL, measured_j)),
    total(iif(measured_j IS NULL, NULL, predicted_j)),
    count(measured_s + predicted_s),
    total(iif(predicted_s IS NULL, NULL, measured_s)),
    total(iif(measured_s IS NULL, NULL, predicted_s))
FROM actuals WHERE plan_id = ? AND {_SEEN}
"""  # noqa: S608
_SELECT = f"SELECT {', '.join(_NAMES)} FROM actuals ORDER BY number DESC LIMIT ?"  # noqa: S608
_CACHE_KIB = 3072
"""Half as much again as a log of `CHECKPOINT_FRAMES` holds: what that has is in memory too, should
it be cut. Other pages that are read again the system has in its own cache."""


def insert(connection: sqlite3.Connection, actuals: Sequence[Actual], maximum: int) -> list[Actual]:
    """Keep actuals, and no more than `maximum` of all; return those that were not known.

    Known is one whose id is that of an actual that its owner sees.
    """
    added = [
        one
        for one in actuals
        if connection.execute(_INSERT, (*_values(one), one.id, one.owner, one.owner)).rowcount
    ]
    connection.execute(_TRIM, (maximum,))
    return added


def measure(connection: sqlite3.Connection, energy_j: Mapping[ActualKey, float]) -> list[Actual]:
    """Keep the metered joules of actuals that have none; return these."""
    rows = (
        connection.execute(_MEASURE, (joules, key.id, key.owner)).fetchone()
        for key, joules in energy_j.items()
    )
    return [Actual(*row) for row in rows if row is not None]


def recent(connection: sqlite3.Connection, limit: int) -> list[Actual]:
    """Return the last actuals, oldest first."""
    return [Actual(*row) for row in reversed(connection.execute(_SELECT, (limit,)).fetchall())]


def sums(connection: sqlite3.Connection, plan_id: str, viewer: str | None) -> PlanSums:
    """Return what came of the requests of a plan, of the actuals that `viewer` sees."""
    row = connection.execute(_SUMS, (plan_id, viewer, viewer)).fetchone()
    return PlanSums(row[0], row[1], Sum(*row[2:5]), Sum(*row[5:8]))


def noted(connection: sqlite3.Connection, name: str) -> str | None:
    """Return the text under a name, None for none."""
    row = connection.execute("SELECT text FROM notes WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def note(connection: sqlite3.Connection, name: str, text: str | None) -> None:
    """Keep a text under a name in the place of what was there; None to forget it."""
    connection.execute("DELETE FROM notes WHERE name = ?", (name,))
    if text is not None:
        connection.execute("INSERT INTO notes VALUES (?, ?)", (name, text))


CONTENTS = Contents(
    (_TABLE, _COST_MODELS, _CHOICES, _OWNERS, _IDS_OF_OWNERS),
    {ACTUALS: "actuals", POLICY: "notes"},
    pragmas=("journal_mode = WAL", f"cache_size = -{_CACHE_KIB}"),
)
"""Contents of the file; see `service.database.database_file.DatabaseFile`."""
