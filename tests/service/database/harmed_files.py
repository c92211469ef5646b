"""A file of numbered things, ways to harm it, and what must be left of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from service.database.contents import Contents, Loss
from service.database.database_file import DatabaseFile

PAGE = 4096
ROW = "x" * 200


def text_of(number: int) -> str:
    return f"{number}-{ROW}"


TABLE = (
    "CREATE TABLE things (number INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL UNIQUE) "
    "STRICT;"
)


def contents(cache_pages: int = 10) -> Contents:
    """Return what such a file holds; of a small cache most has to be read from the file."""
    pragmas = ("journal_mode = WAL", f"cache_size = {cache_pages}")
    return Contents((TABLE,), {"things": "things"}, pragmas=pragmas)


@dataclass
class Store:
    """A file with things that are numbered from 1 on."""

    file: DatabaseFile
    acknowledged: int = 0
    lost: int = 0
    unknown: bool = False

    def add(self, count: int) -> None:
        """Keep that many more, in one transaction."""
        connection = self.file.connection()
        connection.execute("BEGIN IMMEDIATE")
        for number in range(self.acknowledged + 1, self.acknowledged + count + 1):
            row = (number, text_of(number))
            connection.execute("INSERT OR IGNORE INTO things VALUES (?, ?)", row)
        connection.execute("COMMIT")
        self.acknowledged += count
        self.file.written()

    def fill(self, transactions: int, each: int = 20) -> None:
        for _ in range(transactions):
            self.add(each)

    def losses(self) -> list[Loss]:
        found = self.file.take_losses()
        self.lost += sum(loss.lost for loss in found)
        self.unknown |= any(loss.held is None for loss in found)
        return found


@contextmanager
def opened(path: Path, cache_pages: int = 10) -> Iterator[Store]:
    store = Store(DatabaseFile(path, contents(cache_pages), timeout_s=0.0))
    try:
        yield store
    finally:
        store.file.close()


def rows(path: Path) -> dict[int, str]:
    """Return what is found after a kill: in a copy, since a process still has the file open."""
    with TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            found = path.with_name(path.name + suffix)
            if found.exists():
                shutil.copy(found, folder)
        with closing(sqlite3.connect(Path(folder) / path.name)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return dict(connection.execute("SELECT number, text FROM things").fetchall())


def check_kept(path: Path, store: Store) -> dict[int, str]:
    """Assert that what is there was acknowledged, and that what is not is reported lost."""
    found = rows(path)
    assert found == {number: text_of(number) for number in found}
    assert set(found) <= set(range(1, store.acknowledged + 1))
    store.losses()
    assert len(found) + store.lost == store.acknowledged
    return found


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def cut(path: Path, part: float) -> None:
    if path.exists():
        os.truncate(path, int(path.stat().st_size * part))


def zero_pages(path: Path, part: float, pages: int = 4) -> None:
    at = int(path.stat().st_size * part) // PAGE * PAGE
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(min(pages * PAGE, path.stat().st_size - at)))


def empty_in_its_place(path: Path, _: float = 0.0) -> None:
    other = path.with_name("other")
    other.touch()
    other.replace(path)


HARMS: dict[str, Callable[[Path], None]] = {
    "database cut": lambda path: cut(path, 0.5),
    "database cut to nothing": lambda path: cut(path, 0.0),
    "database cut within a page": lambda path: cut(path, 0.777),
    "log cut": lambda path: cut(log_of(path), 0.5),
    "log cut to nothing": lambda path: cut(log_of(path), 0.0),
    "log cut within its header": lambda path: os.truncate(log_of(path), 20),
    "pages of the database zeroed": lambda path: zero_pages(path, 0.5),
    "frames of the log zeroed": lambda path: zero_pages(log_of(path), 0.5),
    "replaced by an empty file": empty_in_its_place,
    "deleted": Path.unlink,
    "log deleted": lambda path: log_of(path).unlink(),
}


def killed(path: Path, folder: Path) -> Path:
    """Return the files as a kill would leave them, in another folder."""
    folder.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        shutil.copy(file, folder)
    return folder / path.name
