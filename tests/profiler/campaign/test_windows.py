"""Windows of an engine of known habits, with a meter of known watts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from random import Random

import numpy as np
import pytest

from profiler.campaign.points import Point
from profiler.campaign.trial import LENGTHS_NOT_FORCED, SERVER_LIMITED
from profiler.campaign.windows import Window, measure_window
from profiler.errors import MeterError
from profiler.meters.meter import Joules, Mark, Meter
from profiler.server.endpoint import find_endpoint
from profiler.server.load import GaugeSampler, LoadGenerator
from profiler.server.prompts import calibrated
from tests.profiler.server.engine import STEP_S, Engine


class SteadyMeter(Meter):
    """Always the same watts."""

    def __init__(self, watts: float) -> None:
        self._watts = watts

    @property
    def name(self) -> str:
        return "steady"

    def counters(self) -> Mapping[str, int | float]:
        return {"joules": self._watts * time.perf_counter()}

    def _between(self, begin: Mark, end: Mark) -> Joules:
        return Joules(gpu_j=end.counters["joules"] - begin.counters["joules"])


class SlowMeter(SteadyMeter):
    """Has to wait for what it is to see, as one on another host."""

    def _between(self, begin: Mark, end: Mark) -> Joules:
        time.sleep(0.5)
        return super()._between(begin, end)


def test_what_ended_while_the_meter_waited_is_of_no_window() -> None:
    engine, point = Engine(), Point(20, 40, 4)

    async def run() -> list[Window]:
        async with engine.client() as client:
            endpoint, maker = await calibrated(client, await find_endpoint(client), Random(0))
            load = LoadGenerator(client, endpoint, maker, lambda: (20, 40), 4, Random())
            gauges = GaugeSampler(client, endpoint)
            async with load, gauges:
                alone_s = await load.steady()
                meter = SlowMeter(100.0)
                return [
                    await measure_window(load, gauges, meter, point, 0.4, alone_s) for _ in range(3)
                ]

    for window in asyncio.run(run()):
        assert all(window.begin.at_s < one.last_s <= window.end.at_s for one in window.ended)


def measured(engine: Engine, slots: int, least_s: float = 0.5, watts: float = 100.0) -> Window:
    point = Point(20, 40, slots)

    async def run() -> Window:
        async with engine.client() as client:
            endpoint, maker = await calibrated(client, await find_endpoint(client), Random(0))
            load = LoadGenerator(client, endpoint, maker, lambda: (20, 40), slots, Random(0))
            gauges = GaugeSampler(client, endpoint, 0.05)
            async with load, gauges:
                alone_s = await load.steady()
                meter = SteadyMeter(watts)
                return await measure_window(load, gauges, meter, point, least_s, alone_s)

    return asyncio.run(run())


@pytest.mark.parametrize("slots", [1, 8, 64])
def test_joules_device_seconds_and_latency_belong_together(slots: int) -> None:
    """Joules and device-seconds are per request; the latency is that of its whole stay."""
    window = measured(Engine(), slots)
    cells = window.cells(Point(20, 40, slots))
    device_seconds = float(cells["runtime_s"]) / float(cells["concurrency"])
    assert float(cells["concurrency"]) == slots
    assert cells["flags"] == "short_window"
    assert device_seconds == pytest.approx(window.seconds / len(window.ended))
    assert float(cells["energy_gpu_j"]) == pytest.approx(100.0 * device_seconds, rel=1e-3)
    # At most `slots` are in flight, so that what they stay within the window adds up to no more.
    inside_s = [one.last_s - max(one.sent_s, window.begin.at_s) for one in window.ended]
    assert np.mean(inside_s) <= float(cells["runtime_s"]) * (1.0 + 1e-6)
    assert float(cells["latency_s"]) == pytest.approx(
        np.mean([one.latency_s for one in window.ended])
    )
    # Between two requests of a slot the client takes its time, which beside many slots on a busy
    # machine is no small part; beside one it is.
    if slots == 1:
        assert float(cells["runtime_s"]) <= 1.5 * float(cells["latency_s"])
    assert float(cells["latency_s"]) > 40 * STEP_S
    assert window.seconds >= 0.5
    assert len(window.ended) >= slots


@pytest.mark.parametrize("metrics", [True, False])
def test_the_servers_own_limit_is_distinguished_from_ours(metrics: bool) -> None:
    cells = measured(Engine(slots=4, metrics=metrics), 16).cells(Point(20, 40, 16))
    assert SERVER_LIMITED in cells["flags"].split(";")
    assert float(cells["concurrency"]) == pytest.approx(4.0, rel=0.25)
    # Without the wait: four at a time, not sixteen.
    assert float(cells["runtime_s"]) < 0.5 * float(cells["latency_s"])


def test_answers_that_were_not_forced_are_measured_as_they_came() -> None:
    cells = measured(Engine(forces=False), 4).cells(Point(20, 40, 4))
    assert LENGTHS_NOT_FORCED in cells["flags"].split(";")
    assert float(cells["output_tokens"]) == 20.0


def test_a_meter_that_sees_nothing_ends_the_window() -> None:
    with pytest.raises(MeterError, match="steady meter"):
        measured(Engine(), 2, watts=0.0)
