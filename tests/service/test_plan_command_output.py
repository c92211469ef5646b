"""`jouleplan plan --out` writes whole files, follows links, and leaves pipes as they are."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from service.cli.whole_files import written_whole
from tests.service.plan_files import write_json
from tests.waiting import PATIENCE_S


def test_the_answer_goes_where_a_link_leads_and_into_a_pipe_as_it_is(
    plan: Callable[..., Any], tmp_path: Path
) -> None:
    write_json(tmp_path / "batch.json")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.json").symlink_to("elsewhere/answer.json")
    os.mkfifo(tmp_path / "pipe")
    received: list[bytes] = []
    reader = Thread(target=lambda: received.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    for out in ("link.json", "pipe", "/dev/null"):
        assert plan("batch.json", "--quiet", "--json", "--out", out).returncode == 0
    reader.join(PATIENCE_S)
    assert (tmp_path / "link.json").is_symlink()
    written = (tmp_path / "elsewhere" / "answer.json").read_bytes()
    assert [json.loads(one)["objective"] for one in (*received, written)] == [
        json.loads(written)["objective"]
    ] * 2
    assert (tmp_path / "pipe").is_fifo()
    assert Path(os.devnull).is_char_device()
    assert not list(tmp_path.rglob("*.part"))


def test_an_answer_that_cannot_be_kept_leaves_nothing_behind(
    plan: Callable[..., Any], tmp_path: Path
) -> None:
    write_json(tmp_path / "batch.json")
    (tmp_path / "taken").mkdir()
    before = sorted(tmp_path.iterdir())
    done = plan("batch.json", "--quiet", "--out", "taken")
    assert done.returncode == 2
    assert done.stderr == "error: --out: taken cannot be written: Is a directory.\n"
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_cannot_be_finished_is_as_it_was_before(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text("before")
    with suppress(ZeroDivisionError), written_whole(path) as file:
        file.write(b"%d" % (1 // 0))
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"answer.json": "before"}
