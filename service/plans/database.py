"""The SQLite file of the plans: opened, made or refused."""

from __future__ import annotations

from pathlib import Path

from service.database.contents import Contents
from service.database.database_file import DatabaseFile

PLANS = "plans"
"""Name, in failures, of what is kept here."""
SCHEMA = """
CREATE TABLE plans (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    plan_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    created_at REAL NOT NULL,
    ended_at REAL,
    elapsed_s REAL,
    phase TEXT, incumbent REAL, lower_bound REAL, gap REAL,
    events INTEGER NOT NULL,
    reply_status INTEGER, media_type TEXT, headers TEXT, size INTEGER NOT NULL DEFAULT 0,
    problem BLOB
) STRICT;
CREATE TABLE chunks (
    plan_number INTEGER NOT NULL REFERENCES plans (number) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (plan_number, position)
) STRICT;
"""
SHARDS = """
ALTER TABLE plans ADD COLUMN shards TEXT;
CREATE TABLE gone (number INTEGER PRIMARY KEY, plan_id TEXT NOT NULL UNIQUE) STRICT;
CREATE TRIGGER remember_gone AFTER DELETE ON plans WHEN OLD.shards IS NOT NULL BEGIN
    INSERT OR REPLACE INTO gone (number, plan_id) VALUES (OLD.number, OLD.plan_id);
    DELETE FROM gone WHERE number < OLD.number - 10000;
END;
"""
"""What schema 2 adds: the shards of a batch file, and the names of such plans that are gone."""
_OWNERS = """
ALTER TABLE plans ADD COLUMN owner TEXT;
ALTER TABLE gone ADD COLUMN owner TEXT;
DROP TRIGGER remember_gone;
CREATE TRIGGER remember_gone AFTER DELETE ON plans WHEN OLD.shards IS NOT NULL BEGIN
    INSERT OR REPLACE INTO gone (number, plan_id, owner)
    VALUES (OLD.number, OLD.plan_id, OLD.owner);
    DELETE FROM gone WHERE number < OLD.number - 10000;
END;
"""
"""What schema 3 adds: whose plans they are; those of before are everybody's."""
_MEND = """
DELETE FROM plans WHERE ended_at IS NULL;
DELETE FROM plans WHERE status = 'finished' AND size != (
    SELECT total(length(body)) FROM chunks WHERE plan_number = number
);
DELETE FROM chunks WHERE plan_number NOT IN (SELECT number FROM plans);
"""
"""Drops what is not whole: an answer that lost a part is no answer, and what was being made when it
was read last may have ended since; what is still being made is added again at its end."""
_LOG_LIMIT = 16 * 1024 * 1024
"""Bytes that a log is cut back to where a large plan made it long."""
CONTENTS = Contents(
    (SCHEMA, SHARDS, _OWNERS),
    {PLANS: "plans"},
    _MEND,
    (
        "auto_vacuum = INCREMENTAL",
        "journal_mode = WAL",
        f"journal_size_limit = {_LOG_LIMIT}",
        "foreign_keys = ON",
    ),
    exclusive=True,
)


def open_database(path: Path) -> DatabaseFile:
    """Return the database at `path`, made where there is none.

    Its folder is made too, for its owner alone; the path is ``:memory:`` for no file. The database
    belongs to this connection alone: a second process that opens it is refused, because it would
    take plans that are still being made for interrupted ones.

    Raises
    ------
    StoreError
        If it cannot be written, is no database of ours or is in use.
    """
    file = DatabaseFile(path, CONTENTS, timeout_s=0.0)
    file.connection()
    return file
