"""Actuals in their file: each once, the last ones, each its owner's, after restarts."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from service.database.database_file import IN_MEMORY
from service.database.stores import StoreError
from service.decisions.actuals.store import ActualsStore
from service.decisions.records import ActualKey
from tests.service.decisions.actuals.actuals_files import actual, kept, names

pytestmark = pytest.mark.anyio


def keyed(energy_j: dict[str, float]) -> dict[ActualKey, float]:
    return {ActualKey(name): joules for name, joules in energy_j.items()}


async def test_each_counts_once_however_many_report_at_once(path: Path) -> None:
    store = ActualsStore(path, 10_000)
    reported = [
        [actual(f"n{number % 300}") for number in range(at, at + 40)] for at in range(0, 600)
    ]
    fresh = await asyncio.gather(*(store.add(one) for one in reported))
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
    measured = await store.measure(keyed({"one": 7.0, "two": 8.0, "three": 9.0}))
    assert [(one.id, one.measured_j) for one in measured] == [("one", 7.0)]
    assert await store.measure(keyed({"one": 8.0})) == []
    await store.stop()
    assert [one.measured_j for one in await kept(path)] == [7.0, 5.0]


async def test_a_mistake_of_the_service_is_refused_and_the_next_is_kept(path: Path) -> None:
    store = ActualsStore(path, 100)
    with pytest.raises(StoreError):
        await store.add([actual("a lone \ud800 surrogate")])
    assert len(await store.add([actual("one")])) == 1
    await store.stop()


async def test_what_was_begun_is_kept_though_its_caller_leaves(path: Path) -> None:
    store = ActualsStore(path, 10)
    leaving = asyncio.create_task(store.add([actual("one")]))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    async with asyncio.timeout(60):
        assert await store.recent(10) == [actual("one")]
    await store.stop()


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
    store = ActualsStore(IN_MEMORY, 10)
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
