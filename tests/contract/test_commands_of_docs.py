"""The commands of the pages run as they stand, where the real parts are at hand."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jouleplan.verbs import APPLICATION_OF
from tests.contract.test_docs import PAGES
from tests.jouleplan.command import parse
from tests.service.server import ROOT, free_port

BLOCK = re.compile(r"^ *```(?:sh|bash)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
BARE = re.compile(r"(?<![\w/.-])python -m (?:service|profiler|benchmarks|examples)")
BARE_VERB = re.compile(rf"(?<![\w/.-])jouleplan (?:{'|'.join(APPLICATION_OF)})\b")
OURS = re.compile(r"^(?:deploy|examples|models|benchmarks|docs)/")
SERVING = re.compile(r"^((?:[A-Z_]+=\S+ )*)\.venv/bin/jouleplan serve *&?(?: +#.*)?$", re.MULTILINE)
HELD = {"deploy", "examples", "models", "benchmarks"}

BEGIN = """
set -euo pipefail
export JOULEPLAN_ACTUALS_PATH=:memory: JOULEPLAN_STORE_PATH=:memory: JOULEPLAN_PORT=$PORT
URL=http://127.0.0.1:$PORT SERVICE=
curl() { command curl --fail-with-body "$@"; }
stop() { [ -z "$SERVICE" ] || { kill $SERVICE; wait $SERVICE || true; SERVICE=; }; }
trap stop EXIT
ready() {
  local at=127.0.0.1:$PORT/readyz
  until command curl -ksf http://$at || command curl -ksf https://$at
  do kill -0 $SERVICE || { cat service.log; exit 1; }; sleep 0.1; done
}
"""
SERVE = "stop; {0}.venv/bin/jouleplan serve 2> service.log & SERVICE=$!; ready\n"
LINE = (
    '{"custom_id": "a", "method": "POST", "url": "/v1/completions", '
    '"body": {"model": "llama-3.1-8b-instruct", "max_tokens": 9, "prompt": "why"}}'
)
LINES = f"echo '{LINE}' > batch.jsonl; cp examples/chat_1000.json batch.json\n"
PREPARED = {
    "README.md": "",
    "docs/how-to/decide-one-by-one.md": SERVE.format(""),
    "docs/how-to/keys-and-tls.md": "",
    "docs/how-to/plan-a-batch-file.md": LINES + SERVE.format(""),
    "docs/how-to/plan-in-the-background.md": LINES + SERVE.format(""),
    "docs/how-to/write-a-fleet-file.md": "cp models/fleet-paper.yaml my-fleet.yaml\n",
}
"""Pages whose commands are run, and what a reader has beforehand."""
FILLED = (
    # What a reader takes from one answer to the next command.
    (r"^(.* keys add gateway .*)$", r"KEY=$(\1)"),
    (r"^(curl -si .*)$", r"\1 > told.txt; ID=$(tail -n 1 told.txt | jq -r .plan_id)"),
    (r'^curl -sN "\$URL/plans/\$ID/events"', r"timeout 60 \g<0>"),
)
ELSEWHERE = re.compile(
    r"^ *(?:make|docker|envoy|kubectl|litellm|npx|vllm|vllm-router|nvidia-smi|promtool|cd deploy)\b"
    r"|jouleplan (?:measure|fit|check|import)|\$LITELLM|gemma-3-12b|my-models",
    re.MULTILINE,
)
"""Blocks that need a gateway, a GPU, a container or measurements that are not here."""


def blocks(page: Path) -> list[str]:
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [re.sub(r"^ {3}", "", block, flags=re.MULTILINE) for block in found]


def commands(page: Path) -> Iterator[list[str]]:
    """Give each command of a page, as a shell would pass it on."""
    for block in blocks(page):
        whole = re.sub(r"\\\n\s*", " ", block)
        for line in whole.splitlines():
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                continue  # a text that goes on over lines
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            ends = [i for i, word in enumerate(words) if word in {"&", "|", ">", "2>", ">>", ";"}]
            yield words[: ends[0]] if ends else words


def test_no_page_takes_a_program_that_is_not_there_or_lacks_what_it_needs() -> None:
    bare = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        is_reference = page.parent.name in {"reference", "studies"} or page.name == "CHANGELOG.md"
        looked_at = "".join(blocks(page)) if is_reference else text
        found = BARE.findall(looked_at) + BARE_VERB.findall("".join(blocks(page)))
        bare += [f"{page.relative_to(ROOT)}: {one}" for one in found]
    assert bare == []


def test_every_command_is_taken_by_its_program_and_names_files_that_are_there() -> None:
    parsed = 0
    for page in PAGES:
        for words in commands(page):
            named = [word.lstrip("@").rstrip("/") for word in words if OURS.match(word.lstrip("@"))]
            assert [name for name in named if not (ROOT / name).exists()] == [], words
            if words[:1] != [".venv/bin/jouleplan"]:
                continue
            try:
                parse(words[1:])
            except SystemExit:
                pytest.fail(f"{page.relative_to(ROOT)}: {words}")
            parsed += 1
    assert parsed >= 15


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
@pytest.mark.parametrize("name", PREPARED)
def test_the_commands_of_a_page_run(name: str, tmp_path: Path) -> None:
    for held in HELD:
        (tmp_path / held).symlink_to(ROOT / held)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    runnable = [block for block in blocks(ROOT / name) if not ELSEWHERE.search(block)]
    assert runnable
    script = "".join(runnable)
    for found, filled in FILLED:
        script = re.sub(found, filled, script, flags=re.MULTILINE)
    script = SERVING.sub(lambda one: SERVE.format(one[1]).rstrip(), script)
    port = free_port()
    whole = BEGIN + PREPARED[name] + script.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JOULEPLAN_")}
    done = subprocess.run(
        ["bash", "-c", whole],
        cwd=tmp_path,
        env=environment | {"PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
