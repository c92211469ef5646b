"""The plans in their database: what goes in comes out, and the oldest go first."""

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service.calls.messages import JSON, Reply
from service.database.database_file import IN_MEMORY
from service.database.stores import StoreError
from service.plans.archive import PlanArchive
from service.plans.database import open_database
from service.plans.plan_store import CHUNK_BYTES, PlanStore, StoreLimits
from service.plans.records import PlanProgress, PlanRecord, ReplyHead
from service.plans.thread import StoreThread
from service.problems import ProblemError
from service.telemetry.metrics import Metrics

GENEROUS = StoreLimits(1000, 10**9, 1e9)


def record(name: str, created_at: float = 1.0) -> PlanRecord:
    return PlanRecord(name, "queued", created_at, events=1)


def finished(name: str, size: int = 0) -> PlanRecord:
    head = ReplyHead(200, JSON, {"X-Kept": "yes"}, size)
    progress = PlanProgress("writing", 2.0, 1.5, 0.25)
    return replace(
        record(name), status="finished", elapsed_s=3.0, progress=progress, events=9, head=head
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "plans.sqlite3"


def opened(path: Path, limits: StoreLimits = GENEROUS) -> PlanStore:
    return PlanStore(open_database(path), limits)


@pytest.fixture
def store() -> Iterator[PlanStore]:
    kept = opened(IN_MEMORY)
    yield kept
    kept.close()


def whole(store: PlanStore, name: str) -> bytes:
    found = store.find(name)
    assert found is not None
    parts, position = [], 0
    while (part := store.chunk(found.number, position)) is not None:
        parts.append(part)
        position += 1
    return b"".join(parts)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES - 1])
def test_an_answer_comes_out_as_it_went_in(store: PlanStore, size: int) -> None:
    body = bytes(i % 251 for i in range(1000)) * (size // 1000 + 1)
    store.add(record("a"))
    store.end(finished("a", size), body[:size])
    assert whole(store, "a") == body[:size]
    found = store.find("a")
    assert found is not None
    assert replace(found, number=0) == finished("a", size)


def test_plans_survive_closing_and_the_open_ones_are_interrupted(path: Path) -> None:
    first = opened(path)
    for name in ("done", "open"):
        first.add(record(name))
    first.end(finished("done", 3), b"abc")
    first.close()
    second = opened(path)
    assert second.interrupted == 1
    assert whole(second, "done") == b"abc"
    assert {r.plan_id: r.status for r in second.recent(10, None)} == {
        "done": "finished",
        "open": "interrupted",
    }
    second.close()
    third = opened(path)
    assert third.interrupted == 0
    third.close()


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (StoreLimits(2, 10**9, 1e9), ["d", "c"]),
        (StoreLimits(100, 250, 1e9), ["d", "c"]),
        (StoreLimits(100, 399, 1e9), ["d", "c", "b"]),
        (StoreLimits(100, 400, 1e9), ["d", "c", "b", "a"]),
    ],
)
def test_the_oldest_answers_go_first(limits: StoreLimits, kept: list[str]) -> None:
    store = opened(IN_MEMORY, limits)
    for name in "abcd":
        store.add(record(name))
        store.end(finished(name, 100), b"x" * 100)
    assert [r.plan_id for r in store.recent(10, None)] == kept
    assert store.totals() == (len(kept), 100 * len(kept))
    store.close()


def test_what_is_being_made_never_goes() -> None:
    store = opened(IN_MEMORY, StoreLimits(1, 1, 1e9))
    store.add(record("open"))
    for name in "ab":
        store.add(record(name))
        store.end(finished(name))
    assert [r.plan_id for r in store.recent(10, None)] == ["b", "open"]
    store.close()


def test_what_is_too_old_is_not_found(path: Path) -> None:
    first = opened(path)
    first.add(record("a"))
    first.end(finished("a"))
    first.close()
    later = opened(path, replace(GENEROUS, age_s=1e-9))
    assert later.find("a") is None
    assert later.recent(10, None) == []
    assert later.totals() == (0, 0)
    later.close()


def test_a_file_shrinks_when_a_large_answer_goes(path: Path) -> None:
    store = opened(path)
    store.add(record("a"))
    store.end(finished("a", 20_000_000), b"x" * 20_000_000)
    store.remove("a")
    store.close()
    assert path.stat().st_size < 1_000_000


def test_pages_follow_each_other_without_gap_or_repeat(store: PlanStore) -> None:
    for index in range(7):
        store.add(record(str(index)))
    seen: list[str] = []
    before = None
    while page := store.recent(3, before):
        seen += [r.plan_id for r in page]
        before = page[-1].number
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


def test_a_database_of_a_later_version_is_refused(path: Path) -> None:
    opened(path).close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(StoreError, match="schema 3, got schema 99"):
        open_database(path)


def test_a_database_of_another_program_is_refused_unchanged(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE customers (name TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="schema 3, got schema 0"):
        open_database(path)
    assert path.read_bytes() == before


def test_a_new_database_gives_back_what_is_forgotten_and_belongs_to_one_alone(path: Path) -> None:
    file = open_database(path)
    figures = {
        name: file.connection().execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("auto_vacuum", "journal_mode", "locking_mode", "foreign_keys", "user_version")
    }
    file.close()
    assert figures == {
        "auto_vacuum": 2,
        "journal_mode": "wal",
        "locking_mode": "exclusive",
        "foreign_keys": 1,
        "user_version": 3,
    }


def test_a_database_in_use_is_refused(path: Path) -> None:
    first = opened(path)
    with pytest.raises(StoreError, match="locked"):
        open_database(path)
    first.close()
    opened(path).close()


def test_a_failed_write_changes_nothing(store: PlanStore) -> None:
    store.add(record("a"))
    with pytest.raises(StoreError, match="UNIQUE"):
        store.add(record("a"))
    store.add(record("b"))
    assert len(store.recent(10, None)) == 2


@pytest.mark.anyio
async def test_the_disk_is_touched_by_one_thread_that_is_not_the_event_loop_s(path: Path) -> None:
    store = StoreThread(path, GENEROUS, Metrics(CollectorRegistry(), "1"))
    names = [await store.do(lambda _: threading.current_thread().name) for _ in range(3)]
    assert names == ["plan-store_0"] * 3
    await store.stop()


@pytest.mark.anyio
async def test_a_plan_whose_end_cannot_be_kept_says_so_as_long_as_the_service_runs(
    path: Path,
) -> None:
    archive = PlanArchive(path, GENEROUS, Metrics(CollectorRegistry(), "1"))
    await archive.add(record("a"))
    # From now on SQLite answers every write with "database or disk is full".
    await archive._store.do(lambda kept: kept._connection.execute("PRAGMA max_page_count = 1"))
    body = b"x" * 1_000_000
    ended = await archive.end(record("a"), Reply(200, body, JSON, "optimal"), "/plan")
    assert ended.status == "failed"
    assert b"store-unavailable" in (ended.problem or b"")
    assert b"full" in (ended.problem or b"")
    assert (await archive.find("a", None)).status == "failed"
    assert [r.status for r in await archive.recent(10, None, None)] == ["failed"]
    with pytest.raises(ProblemError):
        await archive.find("b", None)
    await archive.stop()
