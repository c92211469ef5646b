"""Actuals in their file: each once, the last ones, after restarts, beside foreign files."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from service.database.database_file import MEMORY
from service.database.stores import StoreError
from service.decisions.actuals.store import ActualsStore
from service.decisions.records import Actual, ActualKey
from service.telemetry.failures import StoreFailures

pytestmark = pytest.mark.anyio


def actual(name: str, measured_j: float | None = None) -> Actual:
    return Actual(
        name, 1.0, "a", "p", "1xh100", None, 10.0, 10.0, measured_j, 1.0, 2.0, 1.0, "first"
    )  # fmt: skip


def keyed(energy_j: dict[str, float]) -> dict[ActualKey, float]:
    return {ActualKey(name): joules for name, joules in energy_j.items()}


async def names(path: Path, most: int = 1000) -> list[str]:
    return [one.id for one in await kept(path, most)]


async def kept(path: Path, most: int = 1000) -> list[Actual]:
    """Return what another process would find."""
    store = ActualsStore(path, most)
    try:
        return await store.recent(10**6)
    finally:
        await store.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "actuals.sqlite3"


async def test_each_counts_once_however_many_report_at_once(path: Path) -> None:
    store = ActualsStore(path, 10_000)
    told = [[actual(f"n{number % 300}") for number in range(at, at + 40)] for at in range(0, 600)]
    fresh = await asyncio.gather(*(store.add(one) for one in told))
    await store.stop()
    counted = [one.id for some in fresh for one in some]
    assert len(counted) == len(set(counted)) == 300
    assert sorted(await names(path)) == sorted(counted)


@pytest.mark.parametrize("most", [1, 7, 100])
async def test_the_last_ones_are_kept(path: Path, most: int) -> None:
    store = ActualsStore(path, most)
    for at in range(0, 60, 5):
        await store.add([actual(f"n{number}") for number in range(at, at + 5)])
        await store.add([actual(f"n{at + 4}")])
    await store.stop()
    assert await names(path) == [f"n{n}" for n in range(60)][-most:]


async def test_joules_are_kept_once_and_only_for_what_is_known(path: Path) -> None:
    store = ActualsStore(path, 100)
    await store.add([actual("one"), actual("two", 5.0)])
    told = await store.measure(keyed({"one": 7.0, "two": 8.0, "three": 9.0}))
    assert [(one.id, one.measured_j) for one in told] == [("one", 7.0)]
    assert await store.measure(keyed({"one": 8.0})) == []
    await store.stop()
    assert [one.measured_j for one in await kept(path)] == [7.0, 5.0]


async def test_a_mistake_of_the_service_is_reported_and_the_next_is_kept(path: Path) -> None:
    store = ActualsStore(path, 100)
    with pytest.raises(StoreError):
        await store.add([actual("a lone \ud800 surrogate")])
    assert len(await store.add([actual("one")])) == 1
    await store.stop()


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
    told = f"Of actuals {len(left)} could be read, and how many there were is not known."
    assert any(told in line and str(aside) in line for line in caplog.messages)
    assert sum(told in note for note in failures.notes()) == 1
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


async def test_ids_are_their_owners_own(path: Path) -> None:
    store = ActualsStore(path, 10)
    first, second = (replace(actual("one", joules), owner=owner) for owner, joules in
                     (("a", None), ("b", None)))  # fmt: skip
    assert await store.add([first]) == [first]
    assert await store.add([second, first, second]) == [second]
    assert await store.measure({second.key: 7.0}) == [replace(second, measured_j=7.0)]
    assert await store.recent(10) == [first, replace(second, measured_j=7.0)]
    await store.stop()


async def test_what_nobody_owns_is_everybodys_and_without_keys_all_is(path: Path) -> None:
    store = ActualsStore(path, 10)
    unowned, owned = actual("old"), replace(actual("new"), owner="a")
    assert await store.add([unowned, owned]) == [unowned, owned]
    assert await store.add([replace(unowned, owner="a"), replace(owned, owner=None)]) == []
    await store.stop()


async def test_memory_is_of_one_process(path: Path) -> None:
    store = ActualsStore(MEMORY, 10)
    assert len(await store.add([actual("one")])) == 1
    assert await store.add([actual("one")]) == []
    await store.stop()


async def test_a_note_replaces_the_one_before_and_is_there_afterwards(path: Path) -> None:
    store = ActualsStore(path, 10)
    await store.note("one", "first")
    await store.note("one", "second")
    await store.note("other", "gone")
    await store.note("other", None)
    await store.stop()
    again = ActualsStore(path, 10)
    assert (await again.noted("one"), await again.noted("other")) == ("second", None)
    await again.stop()


SCHEMA_1 = """
CREATE TABLE actuals (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at REAL NOT NULL,
    llm TEXT NOT NULL, pool TEXT NOT NULL, device TEXT NOT NULL, route TEXT,
    input_tokens REAL, output_tokens REAL,
    measured_j REAL, measured_s REAL, predicted_j REAL, predicted_s REAL
) STRICT;
INSERT INTO actuals VALUES (7, 'old', 1.0, 'a', 'p', '1xh100', NULL, 10, 10, 3.0, 1.0, 2.0, 1.0);
PRAGMA user_version = 1;
"""
NOTES = """
CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
INSERT INTO notes VALUES ('one', 'text');
"""


@pytest.mark.parametrize("notes", ["", NOTES], ids=["without notes", "with notes"])
async def test_a_file_of_schema_1_is_taken_over_without_cost_models(path: Path, notes: str) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA_1 + notes)
    before = replace(actual("old", 3.0), cost_model=None)
    store = ActualsStore(path, 10)
    assert await store.recent(10) == [before]
    assert await store.add([replace(actual("theirs"), owner="b")]) != []
    assert await store.noted("one") == ("text" if notes else None)
    assert await store.add([before, actual("new")]) == [actual("new")]
    await store.stop()
    assert await kept(path) == [before, replace(actual("theirs"), owner="b"), actual("new")]


HOLDER = """
import asyncio, sys
from pathlib import Path
from service.decisions.actuals.store import ActualsStore

async def hold():
    await ActualsStore(Path(sys.argv[1]), 10).recent(1)
    print("held", flush=True)
    await asyncio.Event().wait()

asyncio.run(hold())
"""


@contextmanager
def another_service(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield holder
        finally:
            holder.kill()


def shared_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if "another service" in one.getMessage()]


async def test_a_file_that_another_service_writes_to_is_warned_of_once_and_used(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with another_service(path) as holder:
        store = ActualsStore(path, 10)
        await store.add([actual("a")])
        await store.probe()
        await store.probe()
        assert [one.id for one in await store.recent(10)] == ["a"]
        (warning,) = shared_warnings(caplog)
        assert str(path) in warning
        assert f"(process {holder.pid})" in warning
        assert "JOULEPLAN_ACTUALS_PATH" in warning
        await store.stop()


async def test_a_service_that_was_killed_holds_no_file(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with another_service(path) as holder:
        waiting = ActualsStore(path, 10)
        await waiting.recent(1)
        assert len(shared_warnings(caplog)) == 1
        holder.kill()
        holder.wait()
    caplog.clear()
    # Who was second holds the file from its next look on, and whoever stops leaves it to the next.
    await waiting.probe()
    third = ActualsStore(path, 10)
    await third.recent(1)
    assert f"(process {os.getpid()})" in shared_warnings(caplog)[0]
    await third.stop()
    await waiting.stop()
    caplog.clear()
    assert await kept(path) == []
    assert shared_warnings(caplog) == []


async def test_a_lock_that_cannot_be_made_is_no_refusal(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.with_name(path.name + ".lock").mkdir(parents=True)
    store = ActualsStore(path, 10)
    assert [one.id for one in await store.add([actual("a")])] == ["a"]
    await store.stop()
    assert shared_warnings(caplog) == []
