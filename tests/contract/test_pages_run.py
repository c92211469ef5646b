"""The code of README, how-to, reference and examples runs as it stands, but for what is listed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.contract.pages import ROOT, SHELL, Block, blocks, make_checkout, outputs, run_in_shell
from tests.contract.printed import not_printed
from tests.contract.readers_files import write_readers_files
from tests.service.server import Server, free_port

GPU = "needs an LLM server on a GPU; tests/integration/test_live_campaign.py measures a real server"
IMAGE = "needs the images; tests/integration/test_images.py and test_compose.py build and run them"
NOT_RUN: Mapping[str, Mapping[str, str]] = {
    "README.md": {
        "make demo": "test_readme.py runs the demo, and the tests are what runs",
        "make setup": GPU,
    },
    "docs/how-to/envoy-and-llm-d.md": {
        "envoy --mode": "needs Envoy; tests/integration/test_envoy.py runs it",
        "kubectl apply": "needs a cluster; test_llm_d.py checks the manifests",
    },
    "docs/how-to/litellm.md": {
        "export LITELLM": "needs LiteLLM; tests/integration/test_litellm.py runs it"
    },
    "docs/how-to/plan-a-batch-file.md": {
        "vllm run-batch": "needs vLLM; test_run_batch_format.py checks the lines"
    },
    "docs/how-to/portkey.md": {
        "npx": "needs the gateway from npm; tests/integration/test_portkey.py runs it"
    },
    "docs/how-to/profile-a-live-server.md": {
        ".venv/bin/jouleplan measure": GPU,
        "docker run": IMAGE,
        ".venv/bin/jouleplan check": GPU,
    },
    "docs/how-to/profile-your-own.md": {
        "nvidia-smi": "needs vLLM and a GPU; tests/profiler/importers read their files"
    },
    "docs/how-to/run-the-containers.md": {
        "docker compose up": IMAGE,
        "docker compose run": IMAGE,
        "docker build": IMAGE,
        "docker run": IMAGE,
    },
    "docs/how-to/vllm-production-stack.md": {
        "python3 deploy": "needs the router; tests/integration/test_vllm_production_stack.py"
    },
    "docs/how-to/watch-it-in-grafana.md": {
        "cd deploy/prometheus": "needs promtool; tests/integration/test_rules.py runs it",
        "docker run": IMAGE,
    },
    "examples/real_gpu/README.md": {"make setup": GPU},
    "examples/simulated_gpu/README.md": {
        ".venv/bin/python -m examples": "takes 20 minutes; its parts are run by tests/integration"
    },
}
"""By page, the begin of each block that is not run, and why."""

PAGES = [
    str(page.relative_to(ROOT))
    for pattern in ("README.md", "docs/how-to/*.md", "docs/reference/*.md", "examples/*/README.md")
    for page in sorted(ROOT.glob(pattern))
]
SERVING = re.compile(r"^((?:[A-Z_]+=\S+ )*)\.venv/bin/jouleplan serve *&?(?: +#.*)?$", re.MULTILINE)
SERVE = "stop; {0}.venv/bin/jouleplan serve 2> service.log & SERVICE=$!; ready"
BEGIN = """
set -euo pipefail
URL=http://127.0.0.1:$PORT SERVICE=
curl() {
  case " $* " in *" --fail "*) command curl "$@" ;; *) command curl --fail-with-body "$@" ;; esac
}
stop() { [ -z "$SERVICE" ] || { kill $SERVICE; wait $SERVICE || true; SERVICE=; }; }
trap stop EXIT
ready() {
  local at=127.0.0.1:$PORT/readyz
  until command curl -ksf -o /dev/null http://$at || command curl -ksf -o /dev/null https://$at
  do kill -0 $SERVICE || { cat service.log; exit 1; }; sleep 0.1; done
}
"""
FILLED = (
    # What a reader takes from one answer to the next command, or waits for no longer.
    (r"^(.* keys add gateway .*)$", r"KEY=$(\1)"),
    (r"^(curl -si .*)$", r"\1 > accepted.txt; ID=$(tail -n 1 accepted.txt | jq -r .plan_id)"),
    (r'^curl -sN "\$URL/plans/\$ID/events"', r"timeout 60 \g<0>"),
    (r'(?<="time_limit_seconds": )(?:100|20)\b', "4"),
    (r"(curl .* \$URL/plan/frontier)$", r"""\1 | jq -es '.[-1].type == "summary"'"""),
)
PREPARED = {
    "README.md": "mkdir my-models; cp models/llama-3.1-8b-instruct__1xh100.* my-models\n",
    "docs/how-to/write-a-fleet-file.md": "cp models/fleet-paper.yaml my-fleet.yaml\n",
}
"""What a reader of one page does beforehand."""
NOT_COMPARED = {
    "curl -si": "the id of a plan",
    'curl -sN "$URL/plans/$ID/events"': "how far a plan is at some moment",
    "JOULEPLAN_FLEET=my-fleet.yaml": "what a mistake in the file leads to",
}
"""Begins of commands whose output, shown below them, is another each time, and what it is."""


def compared(name: str) -> list[list[str]]:
    """Return the lines that a page shows as printed by its commands, for each that is run."""
    not_run = tuple(NOT_RUN.get(name, ()))
    return [
        shown
        for command, shown in outputs(ROOT / name)
        if not command.startswith((*NOT_COMPARED, *not_run))
    ]


def is_not_run(name: str, block: Block) -> bool:
    return any(block.text.startswith(begin) for begin in NOT_RUN.get(name, {}))


def runnable(name: str) -> list[Block]:
    """Return the blocks of a page that are code to be run, or a body that can be posted."""
    found = []
    for block in blocks(ROOT / name):
        is_code = block.language in {*SHELL, "python"} and not is_not_run(name, block)
        if is_code or is_body(block):
            found.append(block)
    return found


def is_body(block: Block) -> bool:
    """Whether a block is a whole body of `POST /plan`."""
    try:
        body = json.loads(block.text) if block.language == "json" else None
    except ValueError:
        return False
    return isinstance(body, dict) and not body.keys().isdisjoint({"requests", "columns"})


def command_of(block: Block, index: int) -> str:
    if block.language in SHELL:
        return f"{block.text}\n"
    if block.language == "python":
        return (
            f"cat > block-{index}.py <<'EOF'\n{block.text}EOF\n.venv/bin/python block-{index}.py\n"
        )
    post = "curl -s $URL/plan -H 'content-type: application/json' -d @- > /dev/null"
    return f"{post} <<'EOF'\n{block.text}EOF\n"


def script_of(name: str) -> str:
    """Return the code of a page as one script, its services started and stopped in turn."""
    script = "".join(command_of(block, i) for i, block in enumerate(runnable(name)))
    for found, filled in FILLED:
        script = re.sub(found, filled, script, flags=re.MULTILINE)
    return SERVING.sub(lambda one: SERVE.format(one[1]), script)


RUN = [name for name in PAGES if runnable(name)]


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    """Run the service of those pages that start none."""
    with Server({}) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout by name, with a reader's files, that commands may write into."""
    write_readers_files(tmp_path)
    return make_checkout(tmp_path)


def test_each_block_that_is_not_run_is_there_once() -> None:
    for name, begins in NOT_RUN.items():
        texts = [block.text for block in blocks(ROOT / name) if block.language in SHELL]
        counts = {begin: sum(text.startswith(begin) for text in texts) for begin in begins}
        assert counts == dict.fromkeys(begins, 1), name


def test_at_least_twelve_pages_are_run_and_their_outputs_compared() -> None:
    assert len(RUN) >= 12
    assert sum(len(compared(name)) for name in RUN) >= 5
    commands = "".join(command for name in RUN for command, _ in outputs(ROOT / name))
    assert [begin for begin in NOT_COMPARED if begin not in commands] == []


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
@pytest.mark.parametrize("name", RUN)
def test_the_code_of_a_page_runs(name: str, checkout: Path, service: Server) -> None:
    script = script_of(name).replace("OPERATIONS_PORT=9091", f"OPERATIONS_PORT={free_port()}")
    port = free_port() if "jouleplan serve" in script else service.port
    whole = BEGIN + PREPARED.get(name, "") + script.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    mine = {
        "PORT": str(port),
        "JOULEPLAN_PORT": str(port),
        "JOULEPLAN_ACTUALS_PATH": str(checkout / "actuals.sqlite3"),
        "JOULEPLAN_STORE_PATH": str(checkout / "plans.sqlite3"),
        "COLUMNS": "200",
    }
    status, printed, logged = run_in_shell(whole, checkout, mine, 180)
    assert status == 0, (printed[-2000:], logged[-2000:])
    for shown in compared(name):
        assert not_printed(["...", *shown, "..."], printed.split("\n")) is None, printed
