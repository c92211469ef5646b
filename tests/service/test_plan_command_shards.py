"""`python -m service plan FILE --shards DIR`: the shards that the service gives, as files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service.batch_file_calls import (
    LLAMA,
    NAMES,
    batch_file,
    contents,
    planned,
    text_line,
)
from tests.service.plan_files import batch_line, write_json
from tests.service.server import Server

QUICK = ("--gap", "1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "batch.jsonl"
    path.write_text(batch_file())
    return path


def shards_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_files_are_the_shards_of_the_service(
    plan: Callable[..., Any], file: Path, tmp_path: Path, server: Server
) -> None:
    options = ("--llms", "any", "--min-mean-quality", "0.6", "--served-name", f"{LLAMA}:a/B")
    done = plan("batch.jsonl", *QUICK, *options, "--shards", "out/deep", "--quiet")
    assert done.returncode == 0, done.stderr
    query = f"llms=any&min_mean_quality=0.6&relative_gap=1&served_name={LLAMA}:a/B"
    answer = planned(server, file.read_bytes(), f"/plan?{query}")
    names = [shard["filename"] for shard in answer["shards"]]
    expected = dict(zip(names, contents(server, answer), strict=True))
    assert shards_in(tmp_path / "out" / "deep") == expected
    for shard in answer["shards"]:
        line = f"{shard['filename']}: {shard['lines']} lines, {shard['bytes']:,} bytes as "
        assert line + shard["served_names"][0] in done.stderr
    assert "lines," not in done.stdout


def test_a_line_runs_on_the_llm_that_it_names_unless_others_are_named(
    planned_here: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    for folder, options in (("own", ()), ("kept", ("--keep-llms",)), ("one", ("--llms", LLAMA))):
        status, printed = planned_here("batch.jsonl", *QUICK, *options, "--shards", folder)
        assert status == 0, printed.err
    own = shards_in(tmp_path / "own")
    assert {name.partition("__")[0] for name in own} == set(NAMES)
    assert sorted(b"".join(own.values()).splitlines()) == sorted(file.read_bytes().splitlines())
    assert shards_in(tmp_path / "kept") == own
    assert {name.partition("__")[0] for name in shards_in(tmp_path / "one")} == {LLAMA}


def test_lines_that_fit_no_placement_are_written_apart(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    lines = [text_line(0, LLAMA), text_line(1, LLAMA, 140_000), text_line(2, LLAMA)]
    (tmp_path / "batch.jsonl").write_text("\n".join(lines))
    options = ("--report-unplaceable", "--shards", "out")
    status, printed = planned_here("batch.jsonl", *QUICK, *options)
    assert status == 0, printed.err
    assert (tmp_path / "out" / "unplaced.jsonl").read_text() == lines[1] + "\n"
    assert "unplaced.jsonl: 1 line, " in printed.err


def test_shards_are_not_overwritten_unless_that_is_said(
    planned_here: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.jsonl").write_text("mine")
    status, printed = planned_here("batch.jsonl", *QUICK, "--shards", "out")
    assert (status, printed.out) == (2, "")
    assert "got one with mine.jsonl" in printed.err
    status, printed = planned_here("batch.jsonl", *QUICK, "--shards", "out", "--overwrite")
    assert status == 0, printed.err
    assert (folder / "mine.jsonl").read_text() == "mine"
    assert "mine.jsonl: was there before" in printed.err
    before = shards_in(folder)
    status, _ = planned_here("batch.jsonl", *QUICK, "--shards", "out", "--overwrite")
    assert (status, shards_in(folder)) == (0, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shards", "batch.jsonl"), "to be a folder"),
        (("--shards", "/proc/nowhere/out"), "cannot be written"),
        (("--shards", "out", "--served-name", "x"), "--served-name LLM:NAME"),
        (("--shards", "out", "--served-name", "x:y"), "LLMs of the fleet for --served-name"),
        (("--shards", "out", "--served-name", "x:y", "--served-name", "x:z"), "once for each"),
        (("--llms", "nobody"), "line 1, body.model: Expected one of the fleet's llms"),
    ],
)
def test_bad_options_are_reported(
    planned_here: Callable[..., Any], file: Path, options: tuple[str, ...], message: str
) -> None:
    status, printed = planned_here("batch.jsonl", *QUICK, *options)
    assert status == 2
    assert message in printed.err


def test_only_a_batch_file_has_shards(planned_here: Callable[..., Any], tmp_path: Path) -> None:
    write_json(tmp_path / "batch.json")
    status, printed = planned_here("batch.json", *QUICK, "--shards", "out")
    assert (status, "an OpenAI batch for --shards" in printed.err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_no_plan_means_no_shards(planned_here: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "batch.jsonl").write_text(batch_line(0, max_tokens=50))
    options = ("--deadline-seconds", "0.001", "--shards", "out")
    status, _ = planned_here("batch.jsonl", *options)
    assert status == 1
    assert not (tmp_path / "out").exists()
