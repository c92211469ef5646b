"""A file that is harmed under whoever writes it: what can be read is kept, what cannot is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.database.stores import StoreError
from tests.service.database.harmed_files import (
    HARMS,
    check_kept,
    cut,
    killed,
    log_of,
    opened,
    rows,
    text_of,
    zero_pages,
)


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
@pytest.mark.parametrize("cached", [True, False], ids=["in memory", "in the file"])
def test_a_harm_is_noticed_and_what_can_be_read_is_kept(
    path: Path, harm: Callable[[Path], None], cached: bool
) -> None:
    with opened(path, 10_000 if cached else 10) as store:
        # Some is in the database, and the rest in the log.
        store.fill(150)
        assert len(rows(path)) == store.acknowledged == 3000
        harm(path)
        store.file.check()
        check_kept(path, store)
        assert not cached or store.lost == 0
        store.fill(3)
        kept = check_kept(path, store)
        assert not store.unknown
        aside = list(path.parent.glob(f"{path.name}.*-20*Z"))
        assert store.lost == 0 or aside
    assert rows(path) == kept


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_harm_within_a_transaction_is_noticed_at_its_end(
    path: Path, harm: Callable[[Path], None]
) -> None:
    with opened(path) as store:
        store.fill(150)
        connection = store.file.connection()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO things VALUES (?, ?)", (3001, text_of(3001)))
        harm(path)
        lost: object = None
        try:
            connection.execute("COMMIT")
            store.acknowledged += 1
            store.file.written()
        except (sqlite3.Error, StoreError) as error:
            lost = error
            store.file.failed(error)
        store.file.check()
        # Nobody is told that it was kept where it may be among what is lost.
        assert 3001 in check_kept(path, store) or lost


LAST = {
    "database cut": lambda path: cut(path, 0.5),
    "pages of the database zeroed": lambda path: zero_pages(path, 0.5),
    "frames of the log zeroed": lambda path: zero_pages(log_of(path), 0.2),
    "log cut": lambda path: cut(log_of(path), 0.2),
    "database cut to nothing": lambda path: cut(path, 0.0),
}


@pytest.mark.parametrize("harm", LAST.values(), ids=LAST)
def test_a_harm_while_nobody_had_the_file_open_is_reported_at_the_start(
    path: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as store:
        store.fill(150)
        left = killed(path, path.parent / "left")
    harm(left)
    as_found = left.read_bytes(), log_of(left).read_bytes()
    with opened(left) as again:
        again.acknowledged = store.acknowledged
        again.fill(1)
        [loss] = again.losses()
        assert loss.held is None
        assert "how many there were is not known" in caplog.text
        found = rows(left)
        assert found == {number: text_of(number) for number in found}
        assert len(found) == loss.left + 20 < 3020
        [aside] = left.parent.glob(f"{left.name}.damaged-*Z")
        assert (aside.read_bytes(), log_of(aside).read_bytes()) == as_found
        assert loss.aside == aside
        assert len(found) > 1000 or harm is LAST["database cut to nothing"]


def test_a_log_whose_database_is_gone_gives_what_it_has(path: Path) -> None:
    with opened(path) as store:
        store.fill(3)
        left = killed(path, path.parent / "left")
    cut(left, 0.0)
    with opened(left) as again:
        again.file.connection()
        assert len(rows(left)) == 60


def test_a_rescue_that_was_cut_short_is_finished_by_the_next(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as store:
        store.fill(20)
    sound = path.read_bytes()
    cut(path, 0.5)
    path.with_name(path.name + ".rescued").write_bytes(sound)
    with opened(path) as again:
        again.file.connection()
    assert len(rows(path)) == 400
    [aside] = path.parent.glob(f"{path.name}.damaged-*Z")
    assert str(aside) in caplog.text


@settings(max_examples=40)
@given(
    before=st.integers(0, 120),
    harms=st.lists(
        st.tuples(st.sampled_from(["cut", "zero"]), st.booleans(), st.floats(0, 1)), max_size=3
    ),
    cache_pages=st.sampled_from([10, 60, 2000]),
)
def test_what_was_reported_is_there_or_reported_lost(
    before: int, harms: list[tuple[str, bool, float]], cache_pages: int
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "things.sqlite3"
        with opened(path, cache_pages) as store:
            store.fill(1)
            store.fill(before)
            for kind, of_log, part in harms:
                file = log_of(path) if of_log else path
                if file.exists():
                    {"cut": cut, "zero": zero_pages}[kind](file, part)
                store.file.check()
                check_kept(path, store)
                store.fill(2)
            kept = check_kept(path, store)
        assert rows(path) == kept


def write_beside(path: Path, statement: str) -> None:
    """Change the file as another process does: by a connection of its own."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(statement)


THEIRS = {
    "they forgot some": "DELETE FROM things WHERE number <= 40",
    "they added some": "INSERT INTO things VALUES (1000000, 'theirs')",
}


@pytest.mark.parametrize("statement", THEIRS.values(), ids=THEIRS)
@pytest.mark.parametrize("looked", [False, True])
def test_what_others_write_and_forget_is_not_counted_as_lost(
    path: Path, statement: str, looked: bool
) -> None:
    with opened(path, cache_pages=1000) as store:
        store.fill(5)
        write_beside(path, statement)
        if looked:
            store.file.check()
        there = rows(path)
        path.unlink()
        store.add(1)
        assert store.losses() == []
        assert rows(path) == there | {store.acknowledged: text_of(store.acknowledged)}


def test_how_much_of_a_shared_file_is_lost_is_not_known(path: Path) -> None:
    with opened(path) as store:
        store.fill(50)
        write_beside(path, "DELETE FROM things WHERE number <= 40")
        store.add(1)
        for each in (path, log_of(path)):
            cut(each, 0.0)
        store.add(1)
        (loss,) = store.losses()
        assert (loss.held, loss.lost) == (None, 0)
        assert "how many there were is not known" in str(loss)
