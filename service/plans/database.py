"""The SQLite file of the plans: opened, made or refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from service.database.contents import Contents
from service.database.database_file import DatabaseFile
from service.database.errors import StoreError

PLANS = "plans"
"""What is kept here, as failures name it."""
SCHEMA_NUMBER = 3
_SCHEMA = """
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
#: What schema 2 has beside: the shards of a batch file, and the names of such plans that are gone.
_SHARDS = """
ALTER TABLE plans ADD COLUMN shards TEXT;
CREATE TABLE gone (number INTEGER PRIMARY KEY, plan_id TEXT NOT NULL UNIQUE) STRICT;
CREATE TRIGGER remember_gone AFTER DELETE ON plans WHEN OLD.shards IS NOT NULL BEGIN
    INSERT OR REPLACE INTO gone (number, plan_id) VALUES (OLD.number, OLD.plan_id);
    DELETE FROM gone WHERE number < OLD.number - 10000;
END;
"""
#: What schema 3 has beside: whose plans they are; those of before are everybody's.
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
#: An answer that lost a part is no answer, and what was being made when it was read last may have
#: ended since; what is still being made is added again at its end.
_MEND = """
DELETE FROM plans WHERE ended_at IS NULL;
DELETE FROM plans WHERE status = 'finished' AND size != (
    SELECT total(length(body)) FROM chunks WHERE plan_number = number
);
DELETE FROM chunks WHERE plan_number NOT IN (SELECT number FROM plans);
"""
# A log that a large plan made long is cut back to this [bytes].
_LOG_LIMIT = 16 * 1024 * 1024


def open_database(path: Path) -> DatabaseFile:
    """Return the database at `path`, made where there is none.

    It belongs to this connection alone: a second process that opens it is refused, because it would
    take plans that are still being made for interrupted ones.

    Parameters
    ----------
    path
        Of the file; ``:memory:`` for none. Its folder is made too, for its owner alone.

    Raises
    ------
    StoreError
        Where it cannot be written, is no database of ours or is in use.
    """
    contents = Contents(_prepare, {PLANS: "plans"}, _MEND)
    file = DatabaseFile(path, contents, timeout_s=0.0)
    file.connection()
    return file


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT}")
    connection.execute("PRAGMA foreign_keys = ON")
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found not in range(SCHEMA_NUMBER + 1):
        message = f"Expected plans of schema {SCHEMA_NUMBER}, got {found}: of another version."
        raise StoreError(message)
    missing = (_SCHEMA, _SHARDS, _OWNERS)[found:]
    if missing:
        connection.executescript(
            f"BEGIN IMMEDIATE; {''.join(missing)} PRAGMA user_version = {SCHEMA_NUMBER}; COMMIT;"
        )
    # The lock is taken by the first write, and then kept.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("COMMIT")
