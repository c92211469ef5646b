"""The help of each verb is in whole words, and its examples work as they stand."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from jouleplan.__main__ import PROGRAM
from tests.jouleplan.command import BIN, PARSERS, jouleplan, parse, verb_parsers
from tests.profiler.importers.vllm_results import ENDED, result
from tests.service.bodies import rows
from tests.service.plan_files import write_openai_batch
from tests.service.server import ROOT, Server

EXAMPLES = re.compile(r"^examples?:\n((?: .*\n?)+)", re.MULTILINE)
VERB_PARSERS = [one for make in PARSERS.values() for one in verb_parsers(make(PROGRAM))]
LLM, DEVICE = "llama-3.1-8b-instruct", "1xh100-sxm5-80gb"
NEEDS_A_SERVER = "--url"
"""Options of the examples that measure a real server with a GPU: these are parsed only."""


def examples(parser: argparse.ArgumentParser) -> list[str]:
    """Return the commands of the examples in the help of a verb."""
    found = EXAMPLES.search(parser.format_help())
    assert found is not None, parser.prog
    return [line.strip() for line in re.sub(r"\\\n *", "", found[1]).splitlines()]


def words(example: str) -> list[str]:
    """Return the arguments of an example, without what a shell does for itself."""
    given = shlex.split(example.partition(" > ")[0])
    return given[given.index(PROGRAM) + 1 :]


ALL = [example for parser in VERB_PARSERS for example in examples(parser)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    write_openai_batch(folder / "batch.jsonl")
    recorded = (ROOT / "examples/simulated_gpu/recorded/observations.csv").read_text()
    renamed = recorded.replace("random-7m", LLM).replace("1xcpu-core", DEVICE)
    (folder / "observations.csv").write_text(renamed)
    fitted = jouleplan("fit", f"{folder}/observations.csv", f"--models-dir={folder}/my-models")
    assert fitted.returncode == 0, fitted.stderr
    (folder / "result.json").write_text(json.dumps(result()))
    moments = ((ENDED + timedelta(seconds=0.1 * tenths)).isoformat() for tenths in range(-200, 50))
    log = "".join(f"{moment},300\n" for moment in moments)
    (folder / "power.csv").write_text(f"time,watts\n{log}")
    table = recorded.replace("input_tokens", "prompt_tokens", 1)
    (folder / "mine.csv").write_text(table)
    return folder


@pytest.mark.parametrize("parser", VERB_PARSERS, ids=lambda one: one.prog)
def test_every_help_says_what_the_verb_does_and_what_each_argument_is(
    parser: argparse.ArgumentParser,
) -> None:
    assert parser.description is not None
    assert re.fullmatch(r"[A-Z].*\.", parser.description, re.DOTALL)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        assert action.help, action.dest
        # A fragment that leans on the name of the option says nothing to who does not know it.
        assert not re.match(r"(of|that|or|at|and|for|as|in) ", action.help), action.help
    assert max(map(len, parser.epilog.splitlines() if parser.epilog else [])) <= 88


@pytest.mark.parametrize("example", ALL)
def test_every_example_is_taken(example: str) -> None:
    assert parse(words(example))


@pytest.mark.parametrize("example", [one for one in ALL if NEEDS_A_SERVER not in one])
def test_every_example_works(example: str, folder: Path, tmp_path: Path) -> None:
    here = Path(shutil.copytree(folder, tmp_path / "here"))
    if words(example)[0] == "serve":
        assert_serves(words(example))
        return
    if words(example)[0] == "import":
        # Rows are appended only to a file of the same columns.
        (here / "observations.csv").unlink()
    if re.search("keys (list|remove)", example):
        assert jouleplan("keys", "add", "gateway", f"--file={here}/keys.yaml").returncode == 0
    before = set(here.iterdir())
    done = subprocess.run(
        ["bash", "-c", example],
        cwd=here,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout or set(here.iterdir()) - before or "remove" in example


def assert_serves(arguments: list[str]) -> None:
    """Start the console script's server on a free port; it plans, and ends with status 0."""
    with Server({}, command=[str(BIN / PROGRAM), *arguments]) as server:
        server.wait_until_ready()
        assert server.post("/plan", {"requests": rows(8)}).status_code == 200
        assert server.stop() == 0
