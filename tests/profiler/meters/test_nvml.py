"""The NVML meter through the real binding, over a library of ours that answers from a file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from examples.simulated_gpu.shim import Shim, SimulatedGpu

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")

METER = """
import json, sys, time
from profiler.errors import MeterError
from profiler.meters.nvml import NvmlMeter
options = json.loads(sys.argv[1])
try:
    shared = options.get("shared", False)
    with NvmlMeter(options["num_gpus"], options.get("gpus"), shared=shared) as meter:
        begin = meter.mark()
        print("begun", flush=True)
        sys.stdin.readline()
        end = meter.mark()
        joules = meter.between(begin, end)
        said = [joules.gpu_j, joules.flags, dict(meter.facts()), begin.at_s, end.at_s]
        print(json.dumps(said), flush=True)
except MeterError as error:
    print(json.dumps(str(error)), flush=True)
"""

IDLE_S = 3.0
IDLING = (
    f"c = time.process_time(); time.sleep({IDLE_S}); meter.mark(); "
    "print(time.process_time() - c, flush=True); sys.exit()"
)
"""What the meter does meanwhile is told in seconds of CPU."""
AFTER_W = 160.0
"""Power after a step from 100 W, which a busy machine may see some samples late."""
NUM_GPUS = json.dumps({"num_gpus": 1})


class Metered:
    """A process that meters from its start until it is asked to end."""

    def __init__(self, shim: Shim | None, **options: object) -> None:
        environment = {**os.environ, **(shim.environment if shim else {})}
        self._process = subprocess.Popen(
            [sys.executable, "-c", METER, json.dumps(options)],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self.first = self._process.stdout.readline().strip()

    def end(self) -> Any:
        out, _ = self._process.communicate("\n", timeout=120)
        return json.loads(out or self.first)


def test_millijoules_of_all_gpus_add_up(tmp_path: Path) -> None:
    shim = Shim(tmp_path)
    shim.show([SimulatedGpu(10.0, 100.0), SimulatedGpu(20.0, 100.0)])
    metered = Metered(shim, num_gpus=2)
    shim.show([SimulatedGpu(110.0, 100.0), SimulatedGpu(75.0, 100.0)])
    joules, flags, facts, *_ = metered.end()
    assert (joules, flags) == (pytest.approx(155.0), [])
    assert facts == {"hardware": "2 x Simulated GPU", "driver": "0.0 (shim)"}


def test_only_the_gpus_on_which_a_process_computes_are_metered(tmp_path: Path) -> None:
    shim = Shim(tmp_path)
    shim.show([SimulatedGpu(0.0, 60.0, processes=0), SimulatedGpu(0.0, 300.0)])
    metered = Metered(shim, num_gpus=1)
    shim.show([SimulatedGpu(60.0, 60.0, processes=0), SimulatedGpu(300.0, 300.0)])
    assert metered.end()[0] == pytest.approx(300.0)


def test_gpus_can_be_named_by_uuid(tmp_path: Path) -> None:
    shim = Shim(tmp_path)
    shim.show([SimulatedGpu(0.0, 60.0), SimulatedGpu(0.0, 300.0)])
    metered = Metered(shim, num_gpus=1, gpus=["GPU-SHIM-0"])
    shim.show([SimulatedGpu(60.0, 60.0), SimulatedGpu(300.0, 300.0)])
    assert metered.end()[0] == pytest.approx(60.0)


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what meters say that ran for some seconds, side by side."""
    shims = {
        name: Shim(tmp_path_factory.mktemp("gpu"), without_counter=name == "no function")
        for name in ("no value", "no function", "joined", "idle")
    }
    for name, shim in shims.items():
        shim.show([SimulatedGpu(0.0, 100.0)], counter=name in {"joined", "idle"})
    idle = subprocess.Popen(
        [sys.executable, "-c", METER.replace("sys.stdin.readline()", IDLING), NUM_GPUS],
        env={**os.environ, **shims.pop("idle").environment},
        text=True,
        stdout=subprocess.PIPE,
    )
    metered = {name: Metered(shim, num_gpus=1) for name, shim in shims.items()}
    shims["joined"].show([SimulatedGpu(500.0, 100.0, processes=2)])
    time.sleep(1.2)
    stepped = {}
    for name in ("no value", "no function"):
        shims[name].show([SimulatedGpu(0.0, AFTER_W)], counter=False)
        stepped[name] = time.perf_counter()
    # Longer than before the step: the mean of the first and the last power would be wrong.
    time.sleep(1.8)
    ended = {name: one.end() for name, one in metered.items()}
    return {"idle": idle.communicate(timeout=120)[0], "stepped": stepped, **ended}


@pytest.mark.parametrize("lacking", ["no value", "no function"])
def test_without_a_counter_power_is_integrated_within_one_per_cent_over_a_step(
    long_run: dict[str, Any], lacking: str
) -> None:
    # One clock for all processes of the machine.
    stepped = long_run["stepped"][lacking]
    joules, flags, _, began, ended = long_run[lacking]
    true_j = 100.0 * (stepped - began) + AFTER_W * (ended - stepped)
    assert flags == ["integrated_power"]
    assert joules == pytest.approx(true_j, rel=0.01)


def test_a_process_that_comes_while_measuring_ends_the_window(long_run: dict[str, Any]) -> None:
    assert "process 1001 too" in str(long_run["joined"])


def test_metering_takes_less_than_one_per_cent_of_a_core(long_run: dict[str, Any]) -> None:
    assert float(long_run["idle"].splitlines()[-1]) / IDLE_S < 0.01


def test_a_counter_that_stands_still_is_refused(tmp_path: Path) -> None:
    shim = Shim(tmp_path)
    shim.show([SimulatedGpu(10.0, 0.0)])
    assert "to rise" in str(Metered(shim, num_gpus=1).end())


def test_two_processes_on_the_gpu_are_refused_unless_said_to_be_the_servers(tmp_path: Path) -> None:
    shim = Shim(tmp_path)
    shim.show([SimulatedGpu(0.0, 100.0, processes=2)])
    assert "the server alone on gpu0" in str(Metered(shim, num_gpus=1).end())
    metered = Metered(shim, num_gpus=1, shared=True)
    shim.show([SimulatedGpu(500.0, 100.0, processes=2)])
    assert metered.end()[0] == pytest.approx(500.0)


def test_another_number_of_gpus_than_the_device_says_is_refused(tmp_path: Path) -> None:
    shim = Shim(tmp_path)
    shim.show([SimulatedGpu(0.0, 100.0)] * 4)
    assert "--gpus" in str(Metered(shim, num_gpus=2).end())


def test_a_machine_without_a_driver_is_reported() -> None:
    assert "NVIDIA driver" in str(Metered(None, num_gpus=1).end())
