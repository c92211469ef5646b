"""A campaign against llama.cpp's real server, killed again and again."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from costmodel.bases import BASES
from examples.local_service import free_port
from examples.simulated_gpu.record import DEVICE, serving, target
from examples.simulated_gpu.serve import IDLE_W, LLM
from examples.simulated_gpu.shim import Shim, SimulatedGpu, shim_environment
from profiler.campaign.points import Axes, Point
from profiler.campaign.rig import Rig
from profiler.campaign.stages import EXHAUSTED, Design, next_step
from profiler.campaign.trial import Trial
from profiler.delimited import read_table
from profiler.observation_files import read_observations
from tests.waiting import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]

AXES = Axes((16, 32, 64), (4, 8, 16), (1, 2, 4))
OPTIONS = (
    "--input-tokens=16,32,64",
    "--output-tokens=4,8,16",
    "--concurrency=1,2,4",
    "--window-seconds=0.3",
    "--idle-seconds=1",
    "--target-error=0.001",
)


@pytest.fixture(scope="module")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gpu")


@pytest.fixture(scope="module")
def url(gpu: Path) -> Iterator[str]:
    with serving(gpu, slots=4) as address:
        yield address


def start(gpu: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "profiler", *arguments],
        env={**os.environ, **shim_environment(gpu)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(gpu: Path, *arguments: str) -> str:
    process = start(gpu, *arguments)
    out, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    return out


class GridRig(Rig):
    """What decides, without a server."""

    basis = BASES["kv_on"]

    def candidates(self) -> list[Point]:
        return AXES.points(1024)

    def windows(self, point: Point, stage: str, done: int) -> Iterator[object]:  # type: ignore[override]
        raise AssertionError("This rig decides only.")

    def max_windows(self, point: Point) -> int | None:
        return 2 if point.mixed else None

    def cost_s(self, point: Point, device_seconds: float, windows: int) -> float:
        latency_s = device_seconds * point.concurrency
        return latency_s + windows * max(0.3, latency_s)

    def mixes(self) -> list[Point]:
        return [Point(32, 8, batch, mixed=True) for batch in AXES.concurrency]


def test_a_campaign_killed_ten_times_is_the_campaign_that_was_not(
    gpu: Path, url: str, tmp_path: Path
) -> None:
    out, draws = tmp_path / "obs.csv", random.Random(11)
    measure = ("measure", *target(url), *OPTIONS, f"--out={out}")
    kept: list[str] = []
    for _ in range(10):
        process = start(gpu, *measure)
        # While it starts, or in the middle of some window.
        wanted = len(kept) + draws.randint(0, 4)
        wait_until(lambda wanted=wanted: len(whole_lines(out)) >= wanted, patience_s=300.0)
        time.sleep(draws.uniform(0.0, 1.0))
        process.kill()
        process.communicate()
        lines = whole_lines(out)
        assert lines[: len(kept)] == kept
        kept = lines
    assert len(kept) > 10
    run(gpu, *measure)
    lines = whole_lines(out)
    assert lines[: len(kept)] == kept
    assert len(set(lines)) == len(lines)

    trials = [Trial.read(cells) for _, cells in read_table(out)[1]]
    assert_each_window_has_its_requests(out, trials)
    assert_each_window_is_what_the_ones_before_lead_to(trials)


def whole_lines(path: Path) -> list[str]:
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def assert_each_window_has_its_requests(out: Path, trials: list[Trial]) -> None:
    counts: dict[int, int] = {}
    with out.with_name("obs.requests.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            counts[int(row["window"])] = counts.get(int(row["window"]), 0) + 1
    counted = {number: int(trial.cells["requests"]) for number, trial in enumerate(trials)}
    assert counts == counted


def assert_each_window_is_what_the_ones_before_lead_to(trials: list[Trial]) -> None:
    design, rig = Design(target_error=0.001), GridRig()
    for number, trial in enumerate(trials):
        step = next_step(design, rig, trials[:number])
        assert (step.point, step.stage) == (trial.point, trial.stage), number
    assert next_step(design, rig, trials).reason == EXHAUSTED


def test_a_whole_campaign_makes_an_artefact_that_holds(gpu: Path, url: str, tmp_path: Path) -> None:
    out, models = tmp_path / "obs.csv", tmp_path / "models"
    measure = [one for one in OPTIONS if "target" not in one]
    run(gpu, "measure", *target(url), *measure, f"--out={out}", "--max-minutes=3")
    trials = read_observations(out)
    steady = trials.take(~trials.warmup & ~trials.flagged("mixed"))
    asked = steady.extra["asked_input_tokens"].astype(float)
    assert (steady.input_tokens == asked).all()
    assert (steady.output_tokens == steady.extra["asked_output_tokens"].astype(float)).all()
    assert set(trials.extra["engine"]) == {trials.extra["engine"][0]}
    assert trials.extra["engine"][0].startswith("llama.cpp")

    report = tmp_path / "report.html"
    printed = run(gpu, "fit", str(out), f"--models-dir={models}", f"--report={report}")
    assert LLM in printed
    card = json.loads((models / f"{LLM}__{DEVICE}.json").read_text())
    assert card["mixed_lengths"]["windows"] >= 2
    assert card["idle_watts"] == pytest.approx(80.0, rel=0.05)
    assert card["max_context_tokens"] == 1024
    page = report.read_text()
    assert page.count("<svg") == 4

    checked = run(
        gpu, "check", str(tmp_path / "again.csv"), f"--models-dir={models}", *target(url),
        "--points=3", "--window-seconds=0.3", "--json",
    )  # fmt: skip
    again = start(
        gpu, "check", str(tmp_path / "again.csv"), f"--models-dir={models}", *target(url),
        "--points=3", "--window-seconds=0.3",
    )  # fmt: skip
    _, said = again.communicate(timeout=120)
    assert (again.returncode, "--seed" in said) == (2, True)
    record = json.loads(checked)[0]
    assert record["n"] >= 6
    assert record["holds"] in (True, False)


def test_the_servers_own_slots_are_distinguished(gpu: Path, url: str, tmp_path: Path) -> None:
    out = tmp_path / "obs.csv"
    options = ("--input-tokens=16", "--output-tokens=16", "--concurrency=12", "--no-mixed")
    run(gpu, "measure", *target(url), *options, "--window-seconds=1", f"--out={out}")
    trials = read_observations(out)
    steady = trials.take(~trials.warmup)
    assert steady.flagged("server_limited").all()
    assert steady.concurrency.tolist() == pytest.approx([4.0] * len(steady), rel=0.15)


@pytest.mark.parametrize(("device", "kept"), [(DEVICE, True), ("m1", False)])
def test_a_server_that_is_started_has_its_load_measured_where_its_device_can_draw_it(
    tmp_path: Path, device: str, kept: bool
) -> None:
    port, gpu = free_port(), tmp_path / "gpu"
    Shim(gpu).show([SimulatedGpu(1000.0, IDLE_W)])
    out = tmp_path / "obs.csv"
    command = f"{sys.executable} -m examples.simulated_gpu.serve --port={port} --gpu={gpu}"
    address = f"http://127.0.0.1:{port}"
    options = ("--input-tokens=16", "--output-tokens=4", "--concurrency=1", "--no-mixed")
    process = start(
        gpu, "measure", *target(address), *options, f"--start={command}", "--window-seconds=0.3",
        "--idle-seconds=0.5", f"--device={device}", f"--out={out}",
    )  # fmt: skip
    _, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert ("joules of idling are not kept: Expected at most 52.7 W of m1" in said) != kept
    loads = out.with_name("obs.loads.csv")
    rows = read_table(loads)[1] if loads.exists() else []
    assert bool(rows and rows[0][1]["idle_watts"]) == kept
    if kept:
        assert float(rows[0][1]["load_s"]) > 0.2
        assert float(rows[0][1]["load_energy_gpu_j"]) > 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/health")
