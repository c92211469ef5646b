"""What is no harm to a store's file, though it looks like one at a glance; and what is."""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.service.database.harmed_files import (
    check_kept,
    cut,
    killed,
    log_of,
    opened,
    rows,
    text_of,
    zero_pages,
)


def test_a_sound_file_of_a_process_that_was_killed_is_taken_as_it_is(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as store:
        for count in range(40):
            store.fill(count % 7)
            left = killed(path, path.parent / f"left-{count}")
            with opened(left) as again:
                again.acknowledged = store.acknowledged
                again.fill(1)
            assert len(rows(left)) == again.acknowledged
    assert not caplog.records


def test_another_process_that_writes_by_the_rules_harms_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as store, ExitStack() as opening:
        store.fill(1)
        other = opening.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
        other.execute("PRAGMA cache_size = 10")
        other.execute("PRAGMA wal_autocheckpoint = 7")
        for turn in range(40):
            store.fill(1)
            for _ in range(10):
                store.acknowledged += 1
                row = (store.acknowledged, text_of(store.acknowledged))
                other.execute("INSERT INTO things VALUES (?, ?)", row)
            if turn % 5 == 0:
                store.file.check()
            if turn % 7 == 0:
                other.execute("PRAGMA wal_checkpoint(RESTART)")
        assert len(rows(path)) == store.acknowledged
    assert not caplog.messages
    assert not list(path.parent.glob("*damaged*"))


def test_a_process_that_opens_the_file_beside_another_harms_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as store:
        store.fill(3)
        store.file.check()
        with opened(path) as newcomer:
            newcomer.file.connection()
            store.file.check()
        store.file.check()
        store.fill(3)
        assert len(rows(path)) == store.acknowledged
        # The same, with pages that are lost, is no such thing.
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA wal_checkpoint(RESTART)")
        assert not caplog.messages
        zero_pages(path, 0.5)
        store.file.check()
        assert "written by another program" in caplog.text
        check_kept(path, store)


def test_a_file_that_was_made_empty_beforehand_is_begun_without_a_loss(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.touch()
    with opened(path) as store:
        store.fill(1)
        assert [line.levelname for line in caplog.records] == ["WARNING"]
        assert f"{path}: the file was there, and empty" in caplog.text
        assert not store.losses()
        assert len(rows(path)) == 20


def test_a_file_that_is_empty_when_it_is_opened_again_has_lost_what_it_held(path: Path) -> None:
    with opened(path) as store:
        store.fill(1)
        store.file.close()
        cut(path, 0.0)
        store.fill(1)
        assert [(loss.held, loss.left) for loss in store.losses()] == [(20, 0)]


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "with others"])
def test_a_commit_that_changed_nothing_is_no_loss(
    path: Path, caplog: pytest.LogCaptureFixture, alone: bool
) -> None:
    with opened(path) as store:
        connection = store.file.connection()
        if alone:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT)")
        connection.execute("INSERT INTO notes VALUES ('one', 'same')")
        store.file.written()
        for _ in range(3):
            store.fill(1)
            for _ in range(3):
                connection, before = store.file.connection(), log_of(path).stat().st_size
                connection.execute("UPDATE notes SET text = 'same'")
                assert log_of(path).stat().st_size == before
                store.file.written()
        assert not caplog.messages
        assert len(rows(path)) == 60


@pytest.mark.parametrize("part", [0, 100], ids=["all of it", "but for its head"])
def test_a_commit_whose_frames_were_cut_off_is_noticed(
    path: Path, caplog: pytest.LogCaptureFixture, part: int
) -> None:
    with opened(path, 10_000) as store:
        store.fill(5)
        size = log_of(path).stat().st_size
        connection = store.file.connection()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO things VALUES (101, ?)", (text_of(101),))
        connection.execute("COMMIT")
        store.acknowledged += 1
        os.truncate(log_of(path), size + part)
        store.file.written()
        assert "its log lacks what was written last" in caplog.text
        assert len(check_kept(path, store)) == 101
