"""Joules of a counter that a real Prometheus scrapes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiler.errors import MeterError
from profiler.meters.prometheus import PrometheusMeter
from tests.integration.prometheus_server import (
    PrometheusServer,
    eventually,
    exporting,
    running_prometheus,
)

pytestmark = pytest.mark.heavy

SCRAPE_S = 1.0
COUNTER = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"


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
        return f'{COUNTER}{{gpu="0"}} {millijoules}\n'


@pytest.fixture(scope="module")
def exporter() -> Exporter:
    return Exporter()


@pytest.fixture(scope="module")
def prometheus(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    with exporting(exporter.text) as target:
        scrape = (
            f"global: {{scrape_interval: {SCRAPE_S:g}s}}\n"
            f"scrape_configs: [{{job_name: dcgm, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        with running_prometheus(folder, target, configuration=scrape) as url:
            known = PrometheusServer(url)
            assert eventually(lambda: known.instant(COUNTER), lambda found: len(found) == 1)
            yield url


def test_joules_are_right_within_a_scrape_over_a_step_in_power(
    prometheus: str, exporter: Exporter
) -> None:
    query = f"sum({COUNTER}) / 1000"
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
