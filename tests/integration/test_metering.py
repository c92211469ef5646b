"""Joules of counters that a real Prometheus scrapes, given to the requests of a real service."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from costmodel.artefact import save
from examples.local_service import free_port
from tests.costmodel.builders import kv_on_cost_model
from tests.integration.prometheus_server import (
    PrometheusServer,
    eventually,
    exporting,
    running_prometheus,
)
from tests.service.server import Server

pytestmark = pytest.mark.heavy

LLM, POOL, DEVICES, IDLE_WATTS = "qwen3-8b", "h100", 2, 50.0
RATIO = 1.3
"""True joules of a request over the predicted ones."""
FLEET = f"""\
pools:
  - {{name: {POOL}, device: 1xh100, count: {DEVICES}, llms: [{LLM}], concurrency: [1],
     resident: [{LLM}], idle_watts: {IDLE_WATTS}}}
"""
QUERY = "max by (pool, gpu) (DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION) / 1000"
SCRAPE = """\
global: {{scrape_interval: 500ms}}
scrape_configs:
  - job_name: dcgm
    static_configs: [{{targets: ["{target}"]}}]
    metric_relabel_configs:
      - {{source_labels: [Hostname], regex: "gpu-box-.*", target_label: pool, replacement: {pool}}}
"""


class Exporter:
    """Devices whose counters rise by idle power, and by more while a request runs there."""

    def __init__(self) -> None:
        self._began_s = time.time()
        self._lock = threading.Lock()
        self._ran: list[tuple[int, float, float, float]] = []
        self._reset_s = self._began_s

    def ran(self, device: int, begin: float, end: float, watts: float) -> None:
        """Take in what ran, in place of idle power."""
        with self._lock:
            self._ran.append((device, begin, end, watts))

    def reset(self) -> None:
        """Let the counters begin anew, as when a driver is loaded again."""
        with self._lock:
            self._reset_s = time.time()

    def joules(self, device: int, at_s: float, since: float) -> float:
        ran = [one[1:] for one in self._ran if one[0] == device]
        inside = [(max(0.0, min(end, at_s) - max(begin, since)), w) for begin, end, w in ran]
        idle_s = at_s - since - sum(seconds for seconds, _ in inside)
        return IDLE_WATTS * idle_s + sum(seconds * watts for seconds, watts in inside)

    def whole_j(self) -> float:
        """Return what all devices took until now, whatever their counters say."""
        with self._lock:
            now = time.time()
            return sum(self.joules(device, now, self._began_s) for device in range(DEVICES))

    def text(self) -> str:
        with self._lock:
            now, since = time.time(), self._reset_s
            found = [1000 * self.joules(device, now, since) for device in range(DEVICES)]
        return "".join(
            f'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{gpu="{device}",Hostname="gpu-box-1"}} {value}\n'
            for device, value in enumerate(found)
        )


@pytest.fixture(scope="module")
def exporter() -> Exporter:
    return Exporter()


@pytest.fixture(scope="module")
def prometheus(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        exporting(exporter.text) as target,
        running_prometheus(
            folder, target, configuration=SCRAPE.format(target=target, pool=POOL)
        ) as url,
    ):
        known = PrometheusServer(url)
        assert eventually(lambda: known.instant(QUERY), lambda found: len(found) == DEVICES)
        yield url


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save(kv_on_cost_model(idle_watts=IDLE_WATTS), folder)
    (folder / "fleet.yaml").write_text(FLEET)
    return folder


@contextmanager
def metered(models: Path, url: str, query: str = QUERY, **more: str) -> Iterator[Server]:
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models),
        "JOULEPLAN_WORKERS": "1",
        "JOULEPLAN_METERING_URL": url,
        "JOULEPLAN_METERING_QUERY": query,
        "JOULEPLAN_METERING_SECONDS": "2",
        "JOULEPLAN_METERING_DELAY_SECONDS": "3",
    }
    with Server(settings | more) as server:
        server.wait_until_ready()
        yield server


def counted(server: Server, name: str, **labels: str) -> float:
    text = server.client.get("/metrics").text
    for line in text.splitlines():
        where, _, value = line.rpartition(" ")
        if where.partition("{")[0] == f"jouleplan_{name}" and all(
            f'{label}="{wanted}"' in where for label, wanted in labels.items()
        ):
            return float(value)
    return 0.0


def ratio(server: Server) -> dict[str, Any]:
    found = server.client.get("/actuals").json()["ratios"]
    return next((one for one in found if one["quantity"] == "energy"), {"observations": 0})


class Traffic:
    """One request after the other on each device, all told when they have ended."""

    def __init__(self, server: Server, exporter: Exporter) -> None:
        self._server, self._exporter = server, exporter
        self.reported = 0

    def serve(self, seconds: float) -> None:
        threads = [
            threading.Thread(target=self._device, args=(device, time.time() + seconds))
            for device in range(DEVICES)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _device(self, device: int, until: float) -> None:
        while time.time() < until:
            body = {"llm": LLM, "input_tokens": 200, "output_tokens": 60 + 40 * device}
            made = self._server.post("/decision", body).json()
            placement = made["placement"]
            factor = placement["correction"]
            seconds = placement["runtime_seconds"]["value"] / factor["runtime"]
            joules = RATIO * placement["energy_joules"]["value"] / factor["energy"]
            begin = time.time()
            self._exporter.ran(device, begin, begin + seconds, joules / seconds)
            time.sleep(seconds)
            actual = {
                "decision_id": made["decision_id"],
                **body,
                "pool": POOL,
                "runtime_seconds": seconds,
                "ended_at": begin + seconds,
            }
            answer = self._server.post("/actuals", {"actuals": [actual]})
            assert answer.json()["accepted"] == 1, answer.text
            self.reported += 1


def until(ask: Callable[[], bool]) -> None:
    assert eventually(ask, bool)


def test_metered_joules_are_given_to_what_ran_and_imply_the_true_ratio(
    models: Path, prometheus: str, exporter: Exporter
) -> None:
    begun_j = exporter.whole_j()
    with metered(models, prometheus) as server:
        until(lambda: counted(server, "metered_energy_joules_total", pool=POOL) > 0)
        before_j = counted(server, "metered_energy_joules_total", pool=POOL)
        assert counted(server, "apportioned_energy_joules_total", pool=POOL) == 0
        traffic = Traffic(server, exporter)
        traffic.serve(25.0)
        measured = "measured_requests_total"
        until(lambda: counted(server, measured, pool=POOL) >= 0.95 * traffic.reported)

        shared_j = counted(server, "apportioned_energy_joules_total", pool=POOL)
        given_j = counted(server, "measured_energy_joules_total", pool=POOL)
        foretold_j = counted(server, "measured_predicted_energy_joules_total", pool=POOL)
        metered_j = counted(server, "metered_energy_joules_total", pool=POOL) - before_j
        assert 0 < shared_j < metered_j
        # What was shared out and not told of is that of requests at the edges.
        assert given_j == pytest.approx(shared_j, rel=0.05)
        assert given_j / foretold_j == pytest.approx(RATIO, rel=0.05)
        found = ratio(server)
        assert found["ratio"] == pytest.approx(RATIO, rel=0.05)
        assert found["observations"] == counted(server, measured, pool=POOL)
        assert counted(server, "metering_queries_total", status="failed") == 0

        exporter.reset()
        reset_j = counted(server, "metered_energy_joules_total", pool=POOL)
        done = counted(server, measured, pool=POOL)
        again = Traffic(server, exporter)
        again.serve(10.0)
        until(lambda: counted(server, measured, pool=POOL) >= done + 0.5 * again.reported)
        # Nothing of what was counted before was taken again, and nothing was taken back.
        now_j = counted(server, "metered_energy_joules_total", pool=POOL)
        assert reset_j < now_j < exporter.whole_j() - begun_j
        assert ratio(server)["ratio"] == pytest.approx(RATIO, rel=0.07)


def test_a_prometheus_that_goes_away_is_counted_and_taken_up_again(
    models: Path, exporter: Exporter, tmp_path: Path
) -> None:
    port = free_port()
    with (
        exporting(exporter.text) as target,
        metered(models, f"http://127.0.0.1:{port}", JOULEPLAN_METERING_SECONDS="0.5") as server,
    ):
        until(lambda: counted(server, "metering_queries_total", status="failed") >= 2)
        assert server.logs().count("Joules cannot be read.") == 1
        configuration = SCRAPE.format(target=target, pool=POOL)
        with running_prometheus(tmp_path, target, configuration=configuration, port=port):
            until(lambda: counted(server, "metered_energy_joules_total", pool=POOL) > 0)
        failed = counted(server, "metering_queries_total", status="failed")
        until(lambda: counted(server, "metering_queries_total", status="failed") > failed + 1)
        body = {"llm": LLM, "input_tokens": 200, "output_tokens": 100}
        assert server.post("/decision", body).status_code == 200
        assert server.logs().count("Joules cannot be read.") == 2


@pytest.mark.parametrize(
    "query",
    [
        "sum(",
        f"sum({QUERY})",
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION[1m]",
    ],
    ids=["no query", "no label", "no vector"],
)
def test_a_wrong_query_is_counted_as_failed(models: Path, prometheus: str, query: str) -> None:
    with metered(models, prometheus, query, JOULEPLAN_METERING_SECONDS="0.3") as server:
        until(lambda: counted(server, "metering_queries_total", status="failed") >= 2)
        assert counted(server, "metering_queries_total", status="answered") == 0
        assert counted(server, "metered_energy_joules_total", pool=POOL) == 0
        assert server.logs().count("Joules cannot be read.") == 1
