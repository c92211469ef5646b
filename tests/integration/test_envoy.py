"""A real Envoy asks a real service where each completion should go."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from benchmarks.gateways.upstreams import upstreams
from examples.local_service import free_port
from tests.integration.gateway_processes import client_of
from tests.service.decision_fleet import save_two_pools
from tests.service.http.access.keys import Keys
from tests.service.server import Server

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "envoy" / "envoy.yaml"
ENVOY = shutil.which("envoy", path=str(Path(sys.executable).parent)) or shutil.which("envoy")
FLEET = """\
pools:
  - {name: h100, device: 2xh100, count: 1, llms: [qwen3-8b], concurrency: [1]}
  - {name: a100, device: 1xh100, count: 1, llms: [qwen3-8b], concurrency: [1]}
"""
CALL = {"model": "qwen3-8b", "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]}
PATH = "/v1/chat/completions"
ENDPOINT = "x-gateway-destination-endpoint"
BUDGET = "0.05s"

pytestmark = pytest.mark.skipif(ENVOY is None, reason="needs Envoy, which is not installed here")


@pytest.fixture(scope="module")
def planner_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    models = save_two_pools(tmp_path_factory.mktemp("models"), FLEET)
    return {"JOULEPLAN_MODELS_DIR": str(models)}


@contextmanager
def envoy(
    folder: Path, planner: int, ports: Mapping[str, int], budget: str = "10s"
) -> Iterator[httpx.Client]:
    """Run Envoy with the shipped configuration on free ports.

    A machine that runs tests may be too busy for the shipped budget.
    """
    port = free_port()
    ours = {"8080": planner, "9001": ports["h100"], "9002": ports["a100"], "10000": port}
    text = CONFIG.read_text()
    assert all(re.search(rf"\b{given}\b", text) for given in ours)
    assert f"timeout: {BUDGET}" in text
    text = text.replace(f"timeout: {BUDGET}", f"timeout: {budget}")
    config = folder / "envoy.yaml"
    config.write_text(re.sub(rf"\b({'|'.join(ours)})\b", lambda m: str(ours[m[1]]), text))
    command = [str(ENVOY), "-c", str(config), "--concurrency", "1", "--log-level", "error"]
    command += ["--use-dynamic-base-id"]
    with (folder / "envoy.log").open("w") as log:
        process = subprocess.Popen(command, stderr=log)
    with client_of(process, port) as client:
        yield client


def served_by(client: httpx.Client, count: int = 1, **more: Any) -> set[str]:
    names = set()
    for _ in range(count):
        answer = client.post(PATH, **({"json": CALL} | more))
        assert answer.status_code == 200, answer.text
        names.add(answer.json()["model"])
    return names


def test_envoy_accepts_the_shipped_configuration() -> None:
    done = subprocess.run(
        [str(ENVOY), "--mode", "validate", "-c", str(CONFIG)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower(), done.stderr


def test_completions_go_where_the_planner_says_and_on_when_it_is_gone(
    planner_settings: dict[str, str], tmp_path: Path
) -> None:
    with (
        upstreams("h100", "a100") as (ports, hits),
        Server(planner_settings) as planner,
        envoy(tmp_path, planner.port, ports) as client,
    ):
        planner.wait_until_ready()
        assert served_by(client, 20) == {"a100"}
        assert served_by(client, json=CALL | {"model": "nobody/knows"}) == {"h100"}
        assert served_by(client, json=None, content=b"{") == {"h100"}
        planner.kill()
        assert served_by(client, 20) == {"h100"}
        assert hits == {"a100": 20, "h100": 22}


def test_a_planner_that_asks_for_a_key_stops_nobody(
    planner_settings: dict[str, str], tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "keys.yaml")
    keys.add("another")
    settings = planner_settings | {"JOULEPLAN_API_KEYS_FILE": str(keys.path)}
    with (
        upstreams("h100", "a100") as (ports, _),
        Server(settings) as planner,
        envoy(tmp_path, planner.port, ports) as client,
    ):
        planner.wait_until_ready()
        assert served_by(client, 5) == {"h100"}
        closed = planner.client.post("/destination", json=CALL)
        assert closed.status_code == 401
        opened = planner.client.post(
            "/destination", json=CALL, headers={"x-jouleplan-fail-open": "true"}
        )
        assert (opened.status_code, opened.headers["x-jouleplan-refused"]) == (
            200,
            "unauthenticated",
        )
        assert (
            planner.client.get("/prices", headers={"x-jouleplan-fail-open": "true"}).status_code
            == 401
        )


def test_a_client_cannot_choose_where_its_request_goes(
    planner_settings: dict[str, str], tmp_path: Path
) -> None:
    with (
        upstreams("h100", "a100", "elsewhere") as (ports, hits),
        Server(planner_settings) as planner,
        envoy(tmp_path, planner.port, ports) as client,
    ):
        planner.wait_until_ready()
        there = f"127.0.0.1:{ports['elsewhere']}"
        forged = {
            ENDPOINT: there,
            "X-Jouleplan-Candidates": f"a100={there}",
            "x-jouleplan-fail-open": "false",
            "x-jouleplan-llm": "unknown",
            "x-jouleplan-pool": "h100",
        }
        assert served_by(client, 5, headers=forged) == {"a100"}
        twice = [(ENDPOINT, there), (ENDPOINT.upper(), there)]
        assert served_by(client, 5, headers=twice) == {"a100"}
        planner.kill()
        assert served_by(client, 5, headers=forged) == {"h100"}
        client.post("/v1/embeddings", json=CALL, headers=forged)
        assert hits["elsewhere"] == 0


def test_a_planner_that_does_not_answer_holds_nobody_up(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        upstreams("h100", "a100") as (ports, _),
        envoy(tmp_path, silent.getsockname()[1], ports, BUDGET) as client,
    ):
        assert served_by(client, 3) == {"h100"}


class Recorder:
    """Stands where the planner is, and keeps what Envoy sends there."""

    def __init__(self) -> None:
        seen = self.seen = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                seen.append((self.command, self.path, dict(self.headers.items()), body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self) -> Recorder:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_the_planner_gets_the_completion_without_the_clients_secrets(
    planner_settings: dict[str, str], tmp_path: Path
) -> None:
    secrets = {"authorization": "Bearer secret", "cookie": "secret", "x-api-key": "secret"}
    with Recorder() as recorder, upstreams("h100", "a100") as (ports, _):
        with envoy(tmp_path, recorder.server.server_port, ports) as client:
            served_by(client, headers=secrets)
            client.get("/v1/models", headers=secrets)
        [(method, path, headers, body)] = recorder.seen
        assert (method, path) == ("POST", f"/destination{PATH}")
        assert httpx.Response(200, content=body).json() == CALL
        assert "secret" not in str(headers)
    with Server(planner_settings) as planner:
        planner.wait_until_ready()
        sent = {name: value for name, value in headers.items() if name.lower() != "host"}
        answer = planner.client.post(path, headers=sent, content=body)
        assert answer.status_code == 200
        assert answer.headers[ENDPOINT] == f"127.0.0.1:{ports['a100']}"
        for name in copied_headers():
            assert name in answer.headers


def copied_headers() -> list[str]:
    """Return the headers that the shipped configuration copies from the planner's answer."""
    listener = yaml.safe_load(CONFIG.read_text())["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    service = manager["http_filters"][0]["typed_config"]["http_service"]
    patterns = service["authorization_response"]["allowed_upstream_headers"]["patterns"]
    return [pattern["exact"] for pattern in patterns]


def test_no_other_header_of_the_planner_reaches_the_llm_servers() -> None:
    assert copied_headers() == [ENDPOINT, "x-jouleplan-decision-id", "x-jouleplan-pool"]
