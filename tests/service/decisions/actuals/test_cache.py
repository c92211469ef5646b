"""What is in memory of the file of actuals: all of its log, should that be cut, and little more."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from service.database.database_file import CHECKPOINT_FRAMES, DatabaseFile
from service.database.write_ahead_log import look_at_log
from service.decisions.actuals.database import CONTENTS, insert
from service.decisions.records import Actual


def actual(name: str) -> Actual:
    return Actual(name, 1.0, "a", "p", "1xh100", None, 10.0, 10.0, 1.0, 1.0, 2.0, 1.0, "first")


def frames_of(file: DatabaseFile) -> int:
    return look_at_log(file.path.with_name(f"{file.path.name}-wal")).frames


def kept(file: DatabaseFile, names: Iterator[str]) -> set[str]:
    """Keep some actuals in one transaction; return their names."""
    some = [actual(next(names)) for _ in range(20)]
    connection = file.connection()
    connection.execute("BEGIN IMMEDIATE")
    insert(connection, some, 10**6)
    connection.execute("COMMIT")
    file.written()
    return {one.id for one in some}


def test_the_cache_holds_all_of_a_log_that_is_cut_and_not_much_more(tmp_path: Path) -> None:
    draw, path = random.Random(0), tmp_path / "actuals.sqlite3"
    # Names in no order: each lies on another page of the index.
    names = iter(lambda: f"{draw.getrandbits(128):032x}", "")
    with closing(DatabaseFile(path, CONTENTS, timeout_s=0.0)) as file:
        acknowledged, checkpoints, frames = set[str](), 0, 0
        while checkpoints < 3 or frames < CHECKPOINT_FRAMES - 100:
            acknowledged |= kept(file, names)
            before, frames = frames, frames_of(file)
            checkpoints += frames < before
        os.truncate(path.with_name("actuals.sqlite3-wal"), 0)
        connection = file.connection()
        assert file.take_losses() == []
        assert {name for (name,) in connection.execute("SELECT id FROM actuals")} == acknowledged
        (cache_kib,) = connection.execute("PRAGMA cache_size").fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        log_bytes = CHECKPOINT_FRAMES * page_bytes
        assert log_bytes < -cache_kib * 1024 <= 2 * log_bytes
