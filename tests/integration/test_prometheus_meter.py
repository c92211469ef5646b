"""Joules of a counter that a real Prometheus scrapes."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from examples.local_service import free_port
from profiler.errors import MeterError
from profiler.meters.prometheus import PrometheusMeter

pytestmark = pytest.mark.heavy

SCRAPE_S = 1.0


class Exporter:
    """A counter in millijoules that rises by known watts, as DCGM exporter has it."""

    def __init__(self) -> None:
        self._began_s = time.time()
        self.steps: list[tuple[float, float]] = [(self._began_s, 100.0)]

    def step(self, watts: float) -> None:
        self.steps.append((time.time(), watts))

    def joules(self, at_s: float) -> float:
        ends = [begin for begin, _ in self.steps[1:]] + [at_s]
        pairs = zip(self.steps, ends, strict=True)
        return sum(watts * max(0.0, min(end, at_s) - begin) for (begin, watts), end in pairs)

    def text(self) -> str:
        millijoules = 1e3 * self.joules(time.time())
        return f'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{gpu="0"}} {millijoules}\n'


@pytest.fixture(scope="module")
def exporter() -> Exporter:
    return Exporter()


@pytest.fixture(scope="module")
def prometheus(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exporter.text().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    folder: Path = tmp_path_factory.mktemp("prometheus")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    target = f"127.0.0.1:{server.server_port}"
    (folder / "prometheus.yml").write_text(
        f"global: {{scrape_interval: {SCRAPE_S:g}s}}\n"
        f"scrape_configs: [{{job_name: dcgm, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    port = free_port()
    process = subprocess.Popen(
        ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}",
         f"--web.listen-address=127.0.0.1:{port}"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        await_first_scrape(url)
        yield url
    finally:
        process.terminate()
        process.wait(30)
        server.shutdown()
        thread.join()
        server.server_close()


def await_first_scrape(url: str) -> None:
    end = time.perf_counter() + 30
    while time.perf_counter() < end:
        try:
            asked = {"query": "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"}
            answer = httpx.get(f"{url}/api/v1/query", params=asked).json()
            if answer["data"]["result"]:
                return
        except (httpx.HTTPError, KeyError, ValueError):
            pass
        time.sleep(0.2)
    raise TimeoutError(url)


def test_joules_are_right_within_a_scrape_over_a_step_in_power(
    prometheus: str, exporter: Exporter
) -> None:
    query = "sum(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION) / 1000"
    with PrometheusMeter(prometheus, query, scrape_s=SCRAPE_S) as meter:
        exporter.step(200.0)
        time.sleep(3.3)
        begin = meter.mark()
        time.sleep(5.0)
        exporter.step(300.0)
        time.sleep(5.7)
        end = meter.mark()
        joules = meter.between(begin, end).gpu_j
    true_j = exporter.joules(end.clock_s) - exporter.joules(begin.clock_s)
    assert joules == pytest.approx(true_j, rel=0.01)


@pytest.mark.parametrize(
    ("query", "said"),
    [("no_such_counter", "got none"), ("sum(", "parse error"), ("up > 5", "got none")],
)
def test_a_query_without_one_series_is_reported(prometheus: str, query: str, said: str) -> None:
    with pytest.raises(MeterError, match=said), PrometheusMeter(prometheus, query, scrape_s=1.0):
        pass


def test_no_prometheus_is_reported() -> None:
    with (
        pytest.raises(MeterError, match="Expected Prometheus at"),
        PrometheusMeter("http://127.0.0.1:9", "up", scrape_s=1.0),
    ):
        pass
