"""What an SQLite file of the service holds, and what became of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.database.stores import StoreError

_HELD = "CREATE TEMP TABLE held (kind TEXT PRIMARY KEY, rows INTEGER NOT NULL);"
_COUNT = """
INSERT INTO held SELECT '{kind}', count(*) FROM main.{table};
CREATE TEMP TRIGGER {table}_more AFTER INSERT ON main.{table} BEGIN
    UPDATE held SET rows = rows + 1 WHERE kind = '{kind}';
END;
CREATE TEMP TRIGGER {table}_less AFTER DELETE ON main.{table} BEGIN
    UPDATE held SET rows = rows - 1 WHERE kind = '{kind}';
END;
"""


@dataclass(frozen=True)
class Contents:
    """The tables of a file.

    Attributes
    ----------
    steps
        SQL that makes the tables of schema 1, and then what each schema has beside the one before.
    counted
        Tables whose rows are counted, by the kind of what they hold; the first names the file.
    mend
        SQL that drops of what was rescued what is not whole.
    pragmas
        Settings of each connection.
    exclusive
        Whether the file belongs to one connection alone: a second one is refused.
    """

    steps: Sequence[str]
    counted: Mapping[str, str]
    mend: str = ""
    pragmas: Sequence[str] = ("journal_mode = WAL",)
    exclusive: bool = False

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables, or what an older file lacks; a file that is not ours stays unchanged."""
        if self.exclusive:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        number = len(self.steps)
        if found not in range(number + 1) or (found == 0 and tables):
            kind = next(iter(self.counted))
            raise StoreError(f"Expected {kind} of schema {number}, got schema {found}.")
        for pragma in self.pragmas:
            connection.execute(f"PRAGMA {pragma}")
        if found < number:
            missing = "".join(self.steps[found:])
            connection.executescript(
                f"BEGIN IMMEDIATE; {missing} PRAGMA user_version = {number}; COMMIT;"
            )
        if self.exclusive:
            # The lock is taken by the first write, and then kept.
            connection.executescript("BEGIN IMMEDIATE; COMMIT;")

    def count_along(self, connection: sqlite3.Connection) -> None:
        """Count from now on what is held, in memory, within the transactions that change it."""
        counts = (_COUNT.format(kind=kind, table=table) for kind, table in self.counted.items())
        connection.executescript(f"PRAGMA temp_store = MEMORY; {_HELD} {''.join(counts)}")

    def held(self, connection: sqlite3.Connection) -> dict[str, int]:
        """Return how many rows of each kind there are, where they are counted along."""
        return dict(connection.execute("SELECT kind, rows FROM temp.held").fetchall())

    def count(self, connection: sqlite3.Connection) -> dict[str, int]:
        """Return how many rows of each kind there are, where nobody has counted along."""
        query = "SELECT count(*) FROM {}"
        return {
            kind: int(connection.execute(query.format(table)).fetchone()[0])
            for kind, table in self.counted.items()
        }


@dataclass(frozen=True)
class Loss:
    """Records of one kind that were acknowledged and can be read nowhere any more.

    Attributes
    ----------
    kind
        What they are, as failures name it.
    held
        How many there were; None where only a process of before knew.
    left
        How many are left.
    what
        A sentence of what happened to which file.
    aside
        Where that file is now; None where nothing is left of it.
    """

    kind: str
    held: int | None
    left: int
    what: str
    aside: Path | None

    @property
    def lost(self) -> int:
        """How many are known to be lost."""
        return 0 if self.held is None else self.held - self.left

    def __str__(self) -> str:
        """Return what was lost, in a sentence."""
        left = f"{self.left} could be read, and how many there were is not known"
        if self.held is not None:
            left = f"{self.left} of {self.held} are left, {self.lost} are lost"
        aside = "" if self.aside is None else f" The file as it was is set aside as {self.aside}."
        return f"{self.what}. Of {self.kind} {left}.{aside}"
