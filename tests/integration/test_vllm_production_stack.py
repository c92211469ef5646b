"""The script that writes the router's dynamic configuration, beside a real service.

vLLM production stack's own router is on no package index, so what it reads is checked by the keys
that it knows and by how it takes them apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.gateways.broken_planners import (
    GARBAGE,
    BrokenPlanner,
    Manner,
    Reader,
    Writer,
    answering,
)
from examples.local_service import free_port
from tests.service.decision_fleet import save_two_pools
from tests.service.server import Server

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "vllm-production-stack"
SCRIPT = FOLDER / "jouleplan_backends.py"
SMALL, LARGE = "http://small:8000", "http://large:8000"
# Fields of the router's DynamicRouterConfig; any other makes it refuse the file.
KNOWN = {
    "service_discovery": str, "routing_logic": str, "static_backends": str, "static_models": str,
    "static_aliases": str, "static_model_labels": str, "static_model_types": str,
    "static_backend_health_checks": bool, "prefill_model_labels": str,
    "decode_model_labels": str, "k8s_port": int, "k8s_namespace": str,
    "k8s_label_selector": str, "session_key": str, "callbacks": str,
}  # fmt: skip


@contextmanager
def planning(folder: Path) -> Iterator[Server]:
    models = {"JOULEPLAN_MODELS_DIR": str(save_two_pools(folder))}
    with Server(models) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A planner that no test publishes to or ends."""
    with planning(tmp_path_factory.mktemp("models")) as running:
        yield running


@pytest.fixture
def own_planner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with planning(tmp_path_factory.mktemp("models")) as running:
        yield running


@pytest.fixture
def backends(tmp_path: Path) -> Path:
    path = tmp_path / "backends.json"
    every = [
        {"url": url, "model": "Qwen/Qwen3-8B", "llm": "qwen3-8b", "pool": pool}
        for url, pool in ((LARGE, "large"), (SMALL, "small"))
    ]
    path.write_text(json.dumps({"router": {"routing_logic": "session"}, "backends": every}))
    return path


def arguments(backends: Path, out: Path, planner: str, *more: str) -> list[str]:
    command = [sys.executable, str(SCRIPT), "--backends", str(backends), "--out", str(out)]
    return [*command, "--planner", planner, *more]


def run(backends: Path, out: Path, planner: str, *more: str) -> str:
    command = arguments(backends, out, planner, "--rounds", "1", *more)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@contextmanager
def running(backends: Path, out: Path, planner: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(arguments(backends, out, planner, "--every", "0.1"))
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def read(out: Path) -> tuple[list[str], list[str]]:
    """Return the URLs and the models, as the router takes its file apart."""
    content = json.loads(out.read_text())
    assert {"service_discovery", "routing_logic"} <= set(content)
    for key, value in content.items():
        assert isinstance(value, KNOWN[key])
    urls, models = content["static_backends"].split(","), content["static_models"].split(",")
    assert content["service_discovery"] == "static"
    assert len(urls) == len(models)
    for url in urls:
        assert urlsplit(url).scheme in {"http", "https"}
        assert urlsplit(url).port
    return urls, models


def eventually(holds: Callable[[], bool], within_s: float = 30.0) -> bool:
    end = time.perf_counter() + within_s
    while time.perf_counter() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_the_cheap_backend_is_kept_and_the_dear_one_within_the_slack(
    planner: Server, backends: Path, tmp_path: Path
) -> None:
    out = tmp_path / "dynamic.json"
    run(backends, out, planner.url)
    assert read(out) == ([SMALL], ["Qwen/Qwen3-8B"])
    assert json.loads(out.read_text())["routing_logic"] == "session"
    run(backends, out, planner.url, "--slack", "2")
    assert read(out)[0] == [SMALL, LARGE]
    before = out.stat().st_mtime_ns
    assert run(backends, out, planner.url, "--slack", "2") == ""
    assert out.stat().st_mtime_ns == before
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["backends.json", "dynamic.json"]


def test_the_file_follows_a_published_plan_and_outlives_the_planner(
    own_planner: Server, backends: Path, tmp_path: Path
) -> None:
    out = tmp_path / "dynamic.json"
    with running(backends, out, own_planner.url) as process:
        assert eventually(lambda: out.exists() and read(out)[0] == [SMALL])
        publish_a_tight_plan(own_planner)
        # The plan uses both, so under its prices neither is dearer by more than the slack.
        assert eventually(lambda: set(read(out)[0]) == {SMALL, LARGE}), out.read_text()
        kept = out.read_bytes()
        own_planner.kill()
        time.sleep(1.0)
        assert process.poll() is None
        assert out.read_bytes() == kept


def publish_a_tight_plan(planner: Server) -> None:
    columns = {"input_tokens": [512] * 400, "output_tokens": [128] * 400}
    alone: dict[str, Any] = {"columns": columns}
    makespan = planner.post("/plan", alone).json()["makespan_seconds"]
    limits = {"constraints": {"deadline_seconds": 0.7 * makespan}}
    answer = planner.post("/plan", alone | limits | {"publish": True})
    assert answer.status_code == 200, answer.text


def test_without_a_planner_every_backend_goes_in_and_a_file_stays(
    backends: Path, tmp_path: Path
) -> None:
    out = tmp_path / "dynamic.json"
    nobody = "http://127.0.0.1:9"
    assert "left" in run(backends, out, nobody)
    assert read(out)[0] == [LARGE, SMALL]
    out.write_text("{}")
    run(backends, out, nobody)
    assert out.read_text() == "{}"


async def no_http(reader: Reader, writer: Writer) -> None:
    """Answer as a server of something else does."""
    await reader.read(65_536)
    writer.write(b"220 mail.example.com ESMTP\r\n")
    await writer.drain()


async def broken_off(reader: Reader, writer: Writer) -> None:
    """Promise more than is sent."""
    await reader.read(65_536)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()


async def nothing(reader: Reader, writer: Writer) -> None:
    """Hang up."""
    await reader.read(65_536)


async def many_headers(reader: Reader, writer: Writer) -> None:
    """Send more headers than a client takes."""
    await reader.read(65_536)
    writer.write(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000)
    await writer.drain()


NONSENSE = {
    **GARBAGE,
    "no HTTP": no_http,
    "broken off": broken_off,
    "nothing": nothing,
    "many headers": many_headers,
    "deep JSON": answering(200, b"[" * 100_000),
}


@pytest.mark.parametrize("manner", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_in_the_planners_place_leaves_the_file_as_it_is(
    backends: Path, tmp_path: Path, manner: Manner
) -> None:
    out = tmp_path / "dynamic.json"
    out.write_text("{}")
    port = free_port()
    with BrokenPlanner(port, manner) as broken:
        said = run(backends, out, f"http://127.0.0.1:{port}", "--rounds", "2", "--every", "0")
        assert said.count("left ") == broken.connections == 2
    assert out.read_text() == "{}"


def test_backends_that_the_planner_does_not_know_stay(
    planner: Server, backends: Path, tmp_path: Path
) -> None:
    content = json.loads(backends.read_text())
    other = {"url": "http://other:8000", "model": "other", "llm": "other", "pool": "other"}
    backends.write_text(json.dumps(content | {"backends": [other, *content["backends"]]}))
    out = tmp_path / "dynamic.json"
    run(backends, out, planner.url)
    assert read(out) == ([SMALL, "http://other:8000"], ["Qwen/Qwen3-8B", "other"])


@pytest.mark.parametrize(
    "broken",
    [{"backends": []}, {"router": {"colour": 1}, "backends": []},
     {"backends": [{"url": "http://a,http://b", "model": "m", "llm": "m", "pool": "p"}]}],
)  # fmt: skip
def test_a_file_that_the_router_could_not_read_is_never_written(
    backends: Path, tmp_path: Path, broken: dict[str, Any]
) -> None:
    backends.write_text(json.dumps(broken))
    out = tmp_path / "dynamic.json"
    done = subprocess.run(
        arguments(backends, out, "http://127.0.0.1:9", "--rounds", "1"),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Expected" in done.stderr
    assert not out.exists()


def test_the_shipped_backends_are_pools_of_the_embedded_fleet(tmp_path: Path) -> None:
    with Server({}) as planner:
        planner.wait_until_ready()
        prices = planner.client.get("/prices").json()["prices"]
    known = {(one["llm"], one["pool"]) for one in prices}
    shipped = json.loads((FOLDER / "backends.json").read_text())["backends"]
    assert {(one["llm"], one["pool"]) for one in shipped} <= known


def test_the_examples_of_the_script_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "doctest", str(SCRIPT)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
