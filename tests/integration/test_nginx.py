"""A real nginx with njs asks a real service where each completion should go."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.gateways.broken_planners import (
    GARBAGE,
    BrokenPlanner,
    Manner,
    Reader,
    Writer,
    answering,
    hung,
    slow_drip,
)
from benchmarks.gateways.upstreams import upstreams
from costmodel.artefact import save
from examples.local_service import free_port
from tests.costmodel.builders import kv_on_cost_model
from tests.integration.gateway_processes import client_of
from tests.service.server import Server

ROOT = Path(__file__).parents[2]
MODULE = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")
FLEET = """\
pools:
  - {name: h100, device: 2xh100, count: 1, llms: [qwen3-8b], concurrency: [1], resident: [qwen3-8b]}
  - {name: a100, device: 1xh100, count: 1, llms: [qwen3-8b], concurrency: [1], resident: [qwen3-8b]}
"""
CALL = {"model": "any", "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]}

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(
        shutil.which("nginx") is None or not MODULE.exists(), reason="needs nginx with njs"
    ),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save(kv_on_cost_model(), folder)
    twice = tuple(2 * value for value in kv_on_cost_model().energy_coefficients)
    save(kv_on_cost_model(device="2xh100", num_gpus=2, energy_coefficients=twice), folder)
    (folder / "fleet.yaml").write_text(FLEET)
    return folder


@contextmanager
def nginx(folder: Path, planner: int, ports: dict[str, int]) -> Iterator[httpx.Client]:
    """Run nginx with the shipped configuration on free ports."""
    port = free_port()
    shipped = ROOT / "deploy" / "nginx"
    text = (shipped / "nginx.conf").read_text()
    for given, ours in (
        ("modules/ngx_http_js_module.so", str(MODULE)),
        ("/etc/nginx/jouleplan/", f"{folder}/"),
        ("127.0.0.1:8080", f"127.0.0.1:{planner}"),
        ("127.0.0.1:8079", f"127.0.0.1:{free_port()}"),
        ("127.0.0.1:8078", f"127.0.0.1:{free_port()}"),
        ("127.0.0.1:9001", f"127.0.0.1:{ports['h100']}"),
        ("127.0.0.1:9002", f"127.0.0.1:{ports['a100']}"),
        ("127.0.0.1:8000", f"127.0.0.1:{port}"),
        ("llama-3.1-8b-instruct", "qwen3-8b"),
    ):
        assert given in text
        text = text.replace(given, ours)
    (folder / "logs").mkdir(exist_ok=True)
    shutil.copy(shipped / "jouleplan.js", folder)
    places = f"daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
    (folder / "nginx.conf").write_text(places + text)
    shutil.copy(shipped / "jouleplan_upstream.conf", folder)
    process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")])
    with client_of(process, port) as client:
        yield client


def answered(client: httpx.Client, count: int) -> Counter[str]:
    names: Counter[str] = Counter()
    for _ in range(count):
        answer = client.post("/v1/chat/completions", json=CALL)
        assert answer.status_code == 200, answer.text
        names[answer.json()["model"]] += 1
    return names


def test_completions_go_where_the_planner_says_and_on_when_it_is_gone(
    models: Path, tmp_path: Path
) -> None:
    settings = {"JOULEPLAN_MODELS_DIR": str(models), "JOULEPLAN_ACTUALS_PATH": ":memory:"}
    with upstreams("h100", "a100") as (ports, _), Server(settings) as planner:
        planner.wait_until_ready()
        with nginx(tmp_path, planner.port, ports) as client:
            assert answered(client, 4) == {"a100": 4}
            planner.process.kill()
            planner.process.wait()
            assert answered(client, 4) == {"h100": 4}


def test_a_hung_planner_is_left_alone_after_a_few_calls(tmp_path: Path) -> None:
    port = free_port()
    with (
        upstreams("h100", "a100") as (ports, _),
        BrokenPlanner(port, hung) as planner,
        nginx(tmp_path, port, ports) as client,
    ):
        assert answered(client, 30) == {"h100": 30}
        assert 5 <= planner.connections < 15


@pytest.mark.parametrize(
    "manner",
    [
        slow_drip,
        answering(200, b'{"placement": {"pool": "a pool that nginx does not have"}}'),
        *GARBAGE.values(),
    ],
    ids=["a byte at a time", "an unknown pool", *GARBAGE],
)
def test_a_planner_that_answers_garbage_stops_no_request(manner: Manner, tmp_path: Path) -> None:
    port = free_port()
    with (
        upstreams("h100", "a100") as (ports, _),
        BrokenPlanner(port, manner) as planner,
        nginx(tmp_path, port, ports) as client,
    ):
        assert answered(client, 8) == {"h100": 8}
        assert planner.connections > 0


def test_the_planner_does_not_get_to_see_the_clients_key(tmp_path: Path) -> None:
    port, heads = free_port(), []

    async def listening(reader: Reader, writer: Writer) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).lower())

    with (
        upstreams("h100", "a100") as (ports, _),
        BrokenPlanner(port, listening),
        nginx(tmp_path, port, ports) as client,
    ):
        client.headers.update({"authorization": "Bearer secret", "cookie": "secret"})
        assert answered(client, 1) == {"h100": 1}
    assert heads
    assert all(b"secret" not in head for head in heads)
