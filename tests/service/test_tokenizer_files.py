"""Tokenizer files on a real server: counted exactly, or refused in one line at the start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from service.decisions.tokenizers import MAX_CHARACTERS, TokenizerError, Tokenizers
from tests.service.decision_fleet import save_two_pools
from tests.service.server import ROOT, Server
from tests.service.tokenizers import UNKNOWN, byte_pair_tokenizer, word_tokenizer

QUESTION = "why is the sky blue"
OTHER = "bluebird"
LLM = "qwen3-8b"


def saved(tokenizer: Tokenizer, folder: Path) -> Tokenizers:
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / f"{LLM}.json"))
    return Tokenizers(folder)


def test_prompts_are_counted_by_the_llms_own_tokenizer(tmp_path: Path) -> None:
    saved(word_tokenizer(), tmp_path / "tokenizers")
    settings = {
        "JOULEPLAN_MODELS_DIR": str(save_two_pools(tmp_path)),
        "JOULEPLAN_TOKENIZERS_DIR": str(tmp_path / "tokenizers"),
    }
    with Server(settings) as server:
        server.wait_until_ready()

        def tokens(**request: Any) -> tuple[float, str]:
            body = {"request": {"model": LLM, "max_tokens": 9, **request}}
            estimate = server.post("/decision", body).json()["tokens"]
            return estimate["input_tokens"], estimate["input_from"]

        assert tokens(prompt=QUESTION) == (5.0, "tokenizer")
        parts = [{"type": "text", "text": QUESTION}, {"type": "text", "text": "the sea"}]
        assert tokens(messages=[{"role": "user", "content": parts}]) == (7.0, "tokenizer")
        tools = [{"type": "function", "function": {"name": "sky"}}]
        assert tokens(prompt=QUESTION, tools=tools)[0] > 7.0
        assert tokens(prompt=[[1, 2, 3]], instructions=QUESTION) == (8.0, "tokenizer")
        assert tokens(prompt=[[1, 2, 3]]) == (3.0, "characters")
        long = tokens(prompt=f"{QUESTION} " * 40_000)
        assert long == (pytest.approx(200_000, rel=0.001), "tokenizer")
        assert tokens(prompt=[QUESTION, "the sea"]) == (7.0, "tokenizer")
        response = server.post(
            "/decision", {"request": {"model": LLM, "prompt": "a"}, "input_tokens": 7}
        )
        assert response.json()["tokens"]["input_from"] == "given"


@pytest.mark.parametrize("make", [word_tokenizer, byte_pair_tokenizer])
def test_files_that_cut_and_fill_up_count_all_the_same(make: Any, tmp_path: Path) -> None:
    plain = saved(make(), tmp_path / "plain").count(LLM, [QUESTION])
    tokenizer = make()
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=64)
    assert saved(tokenizer, tmp_path / "cut").count(LLM, [QUESTION]) == plain
    assert plain == (len(make().encode(QUESTION).ids), len(QUESTION))


@pytest.mark.anyio
async def test_a_changed_file_is_taken_over_and_a_bad_one_is_not(tmp_path: Path) -> None:
    counts, file = saved(word_tokenizer(), tmp_path), tmp_path / f"{LLM}.json"
    by_words = counts.count(LLM, [OTHER])
    file.write_text("{}")
    with pytest.raises(TokenizerError, match=f"Expected a tokenizer in {LLM}.json, got"):
        await counts.reload()
    assert counts.count(LLM, [OTHER]) == by_words
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(TokenizerError, match="a FIFO, not a file"):
        await counts.reload()
    assert counts.count(LLM, [OTHER]) == by_words
    file.unlink()
    byte_pair_tokenizer().save(str(file))
    await counts.reload()
    assert counts.count(LLM, [OTHER]) != by_words
    file.unlink()
    await counts.reload()
    assert LLM not in counts


@pytest.mark.anyio
async def test_a_tokenizer_that_fails_on_prompts_is_not_taken_over(tmp_path: Path) -> None:
    counts, file = saved(word_tokenizer(), tmp_path), tmp_path / f"{LLM}.json"
    known = json.loads(file.read_text())
    by_words = counts.count(LLM, [OTHER])
    # Without a token for what it does not know, a tokenizer of words fails on other words.
    del known["model"]["vocab"][UNKNOWN]
    file.write_text(json.dumps(known | {"added_tokens": []}))
    with pytest.raises(TokenizerError, match=f"Expected a tokenizer in {LLM}.json, got"):
        await counts.reload()
    assert counts.count(LLM, [OTHER]) == by_words


@pytest.mark.anyio
async def test_a_tokenizer_at_which_the_library_panics_is_not_taken_over(tmp_path: Path) -> None:
    counts, file = saved(byte_pair_tokenizer(), tmp_path), tmp_path / f"{LLM}.json"
    known = json.loads(file.read_text())
    known["model"]["continuing_subword_prefix"] = "longer than any part"
    file.write_text(json.dumps(known))
    with pytest.raises(TokenizerError, match=f"Expected a tokenizer in {LLM}.json, got"):
        await counts.reload()
    assert counts.count(LLM, [OTHER]) is not None


@pytest.mark.anyio
async def test_a_folder_that_is_gone_leaves_its_tokenizers(tmp_path: Path) -> None:
    counts = saved(word_tokenizer(), tmp_path / "there")
    (tmp_path / "there").rename(tmp_path / "away")
    with pytest.raises(TokenizerError, match="Expected a folder of tokenizer files"):
        await counts.reload()
    assert LLM in counts


def test_files_that_are_named_otherwise_are_reported_and_let_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (b"\xff.json", b"Bad Name.json", b"a\nb.json"):
        (tmp_path / os.fsdecode(name)).touch()
    assert LLM in saved(word_tokenizer(), tmp_path)
    for shown in (r"b'\xff.json'", "Bad Name.json", r"b'a\nb.json'"):
        assert shown in caplog.text


def test_no_more_than_so_many_characters_are_counted(tmp_path: Path) -> None:
    counts = saved(byte_pair_tokenizer(), tmp_path)
    part = counts.count(LLM, ["x" * MAX_CHARACTERS])
    assert part is not None
    assert counts.count(LLM, ["x" * MAX_CHARACTERS * 200]) == part
    assert counts.count(LLM, ["x" * 100] * MAX_CHARACTERS) is not None
    assert counts.count(LLM, [""]) is None


def start(folder: Path, models: Path, *python: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": "",
        "HOME": str(models),
        "PYTHONPATH": str(ROOT),
        "JOULEPLAN_MODELS_DIR": str(models),
        "JOULEPLAN_TOKENIZERS_DIR": str(folder),
        "JOULEPLAN_PORT": "0",
    }
    command = [sys.executable, *(python or ("-m", "service"))]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_two_pools(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (f"{LLM}.json", "{}", f"Expected a tokenizer in {LLM}.json, got"),
        (f"{LLM}.json", "not\njson", f"Expected a tokenizer in {LLM}.json, got"),
        (None, "", "Expected a folder of tokenizer files, got"),
    ],
)
def test_what_is_no_tokenizer_ends_the_start_in_one_line(
    tmp_path: Path, models_folder: Path, name: str | None, content: str, said: str
) -> None:
    folder = tmp_path / "tokenizers"
    if name is not None:
        folder.mkdir()
        (folder / name).write_text(content)
    ended = start(folder, models_folder)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {said}")
    assert len(ended.stderr.splitlines()) == 1


def test_without_the_library_the_extra_is_named(tmp_path: Path, models_folder: Path) -> None:
    absent = (
        "import sys; sys.modules['tokenizers'] = None; from service.__main__ import main; "
        "sys.exit(main([]))"
    )
    ended = start(tmp_path, models_folder, "-c", absent)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: Expected the extra `tokenizers`")
    assert "pip install 'jouleplan[tokenizers]'" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
