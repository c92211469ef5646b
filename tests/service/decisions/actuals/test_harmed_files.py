"""Files of actuals that are foreign, damaged, empty or gone: nothing is lost silently."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from service.database.stores import StoreError
from service.decisions.actuals.store import ActualsStore
from service.telemetry.failures import StoreFailures
from tests.service.decisions.actuals.actuals_files import actual, kept, names

pytestmark = pytest.mark.anyio


def foreign_tables(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()


def foreign_schema(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()


def half(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (name TEXT)")
        connection.execute("PRAGMA user_version = 1")
    connection.close()


@pytest.mark.parametrize("make", [foreign_tables, foreign_schema, half])
async def test_a_foreign_file_is_refused(tmp_path: Path, make: object) -> None:
    path = tmp_path / "foreign"
    make(path)  # type: ignore[operator]
    before = path.read_bytes()
    with pytest.raises(StoreError):
        await kept(path)
    if make is not half:
        assert path.read_bytes() == before


def garbage(path: Path) -> None:
    path.write_text("not a database" * 1000)


def zeros_within(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(8192))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 5000)


@pytest.mark.parametrize(("damage", "readable"), [(garbage, 0), (zeros_within, 450), (cut, 380)])
async def test_of_a_damaged_file_what_can_be_read_is_kept_and_it_is_set_aside_as_it_was(
    path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], readable: int
) -> None:
    store = ActualsStore(path, 10_000)
    await store.add([actual(f"n{number}") for number in range(500)])
    await store.stop()
    damage(path)
    before = path.read_bytes()
    failures = StoreFailures(logging.getLogger("test"))
    store = ActualsStore(path, 10_000, failures)
    left = await store.recent(1000)
    assert readable <= len(left) <= 500
    assert all(one == actual(one.id) for one in left)
    assert len({one.id for one in left}) == len(left)
    assert len(await store.add([actual("new")])) == 1
    await store.stop()
    assert await kept(path) == [*left, actual("new")]
    [aside] = path.parent.glob(f"{path.name}.damaged-*Z")
    assert aside.read_bytes() == before
    sentence = f"Of actuals {len(left)} could be read, and how many there were is not known."
    assert any(sentence in line and str(aside) in line for line in caplog.messages)
    assert sum(sentence in note for note in failures.notes()) == 1
    assert failures.losses["actuals"].at > 0.0


def deleted(path: Path) -> None:
    path.unlink()


def log_deleted(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def all_deleted(path: Path) -> None:
    shutil.rmtree(path.parent)


def renamed(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    other.replace(path)


@pytest.mark.parametrize("harm", [deleted, log_deleted, all_deleted, renamed, replaced])
async def test_what_was_acknowledged_is_written_again_where_its_file_is_taken_away(
    path: Path, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], None]
) -> None:
    store = ActualsStore(path, 10_000)
    await store.add([actual(f"n{number}") for number in range(300)])
    await store.note("one", "text")
    harm(path)
    await store.probe()
    assert "written again" in caplog.text
    # What another process finds, as after a kill of this one.
    copied = path.parent / "copied"
    copied.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        shutil.copy(file, copied)
    assert await names(copied / path.name) == [f"n{number}" for number in range(300)]
    assert await store.add([actual("n7"), actual("new")]) == [actual("new")]
    assert await store.noted("one") == "text"
    await store.stop()
    assert len(await names(path)) == 301
    if harm is replaced:
        [aside] = path.parent.glob(f"{path.name}.replaced-*Z")
        with closing(sqlite3.connect(aside)) as connection:
            assert connection.execute("SELECT count(*) FROM customers").fetchone() == (0,)


async def test_a_log_without_its_database_is_set_aside(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    log = path.with_name(path.name + "-wal")
    log.write_bytes(b"what was acknowledged")
    assert await names(path) == []
    [aside] = path.parent.glob(f"{path.name}.damaged-*Z-wal")
    assert aside.read_bytes() == b"what was acknowledged"
    assert "has lost its database" in caplog.text


async def test_a_file_that_is_there_and_empty_is_begun_with_a_warning(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.touch()
    failures = StoreFailures(logging.getLogger("test"))
    store = ActualsStore(path, 10, failures)
    assert await store.add([actual("one")]) == [actual("one")]
    assert await store.add([actual("two")]) == [actual("two")]
    await store.stop()
    assert [line.levelname for line in caplog.records] == ["WARNING"]
    assert f"{path}: the file was there, and empty" in caplog.text
    assert failures.losses["actuals"].at == 0.0
    assert await names(path) == ["one", "two"]
