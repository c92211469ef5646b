"""How far the joules of short windows may be off, against powers that are known."""

from __future__ import annotations

import datetime
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.arrays import FloatArray
from costmodel.zones import UNIVERSAL
from profiler.errors import ObservationError
from profiler.importers.mlenergy import import_mlenergy
from profiler.importers.power_log import PowerLog
from profiler.importers.vllm_bench import import_vllm_bench
from profiler.observations import Observations
from profiler.short_windows import MAX_ERROR, STEADY_S, Edges, metered_edges

ROUNDING = 1e-6


@dataclass(frozen=True)
class Truth:
    """A GPU that draws one power before a run, another in it and a third after it."""

    watts: tuple[float, float, float]
    begin_s: float
    seconds: float

    def joules(self, until_s: FloatArray) -> FloatArray:
        """Joules from 0 on."""
        before, busy, after = self.watts
        run_s = np.clip(until_s - self.begin_s, 0.0, self.seconds)
        rest_s = np.maximum(until_s - self.begin_s - self.seconds, 0.0)
        return np.minimum(until_s, self.begin_s) * before + run_s * busy + rest_s * after

    def readings(self, at_s: FloatArray, averaged_s: float) -> FloatArray:
        """Watts that a meter tells: means of the last seconds."""
        return (self.joules(at_s) - self.joules(at_s - averaged_s)) / averaged_s


TRUTHS = st.builds(
    Truth,
    st.tuples(*[st.floats(30.0, 700.0)] * 3),
    st.floats(40.0, 50.0),
    st.floats(1.0, 60.0),
)


def found(truth: Truth, log: PowerLog, resolution_s: float) -> tuple[float, Edges]:
    """Joules and edges of a run whose moment is written to some seconds."""
    ended_s = truth.begin_s + truth.seconds
    written_s = math.floor(ended_s / resolution_s) * resolution_s if resolution_s else ended_s
    start_s = written_s - truth.seconds
    joules = log.joules(start_s, truth.seconds)
    return joules, log.edges(start_s, truth.seconds, joules, resolution_s)


PHASES, RESOLUTIONS = st.floats(0.0, 1.0), st.sampled_from([0.0, 0.1, 1.0])
MANY = settings(deadline=None, max_examples=600)


def check_bound(truth: Truth, log: PowerLog, period_s: float, resolution_s: float) -> None:
    """Hold the joules of a log against the truth, or see that it is refused for its readings."""
    try:
        joules, edges = found(truth, log, resolution_s)
    except ObservationError:
        assert truth.seconds < 2.0 * period_s + ROUNDING
        return
    true = truth.watts[1] * truth.seconds
    assert abs(joules - true) <= edges.error * joules + ROUNDING


def moments(period_s: float, phase: float) -> FloatArray:
    """Moments of readings, well before and after any run."""
    return np.float64(20.0) + period_s * (np.arange(round(120.0 / period_s)) + phase)


@MANY
@given(
    TRUTHS, st.sampled_from([0.1, 0.3, 1.0, 2.0]), PHASES, st.sampled_from([0.001, 0.1, 1.0]),
    RESOLUTIONS,
)  # fmt: skip
def test_no_run_is_off_by_more_than_is_said(
    truth: Truth, period_s: float, phase: float, averaged_s: float, resolution_s: float
) -> None:
    at_s = moments(period_s, phase)
    readings = {"0": (at_s, truth.readings(at_s, averaged_s))}
    log = PowerLog(Path("log.csv"), readings, late_s=averaged_s / 2)
    check_bound(truth, log, period_s, resolution_s)


@MANY
@given(TRUTHS, st.sampled_from([0.1, 0.3, 1.0]), PHASES, st.floats(0.0, 0.2), RESOLUTIONS)
def test_no_counter_is_off_by_more_than_is_said(
    truth: Truth, period_s: float, phase: float, behind_s: float, resolution_s: float
) -> None:
    at_s = moments(period_s, phase)
    counted = {"0": (at_s, truth.joules(at_s - behind_s))}
    log = PowerLog(Path("log.csv"), counted, counted=True, late_s=0.2)
    check_bound(truth, log, period_s, resolution_s)


def test_what_is_said_is_no_more_than_twice_what_can_be() -> None:
    """A run from idling on, the worst of its phases: bounds that nothing comes near say nothing."""
    shares = []
    for phase in np.linspace(0.0, 1.0, 21):
        for late in np.linspace(0.0, 0.99, 12):
            truth = Truth((50.0, 700.0, 50.0), 41.0 + late, 5.0)
            at_s = 20.0 + phase + np.arange(60.0)
            log = PowerLog(Path("log.csv"), {"0": (at_s, truth.readings(at_s, 1.0))})
            joules, edges = found(truth, log, 1.0)
            shares.append(abs(joules - 3500.0) / (edges.error * joules))
    assert 0.5 < max(shares) <= 1.0


ENDED = datetime.datetime(2026, 1, 31, 12, 0, 0)


def measured(
    folder: Path, seconds: float, every: float = 1.0, **changes: object
) -> tuple[Observations, list[str]]:
    """Read a run of 600 W on a GPU that idles at 60 W, as a log shows it."""
    run: dict[str, object] = {
        "date": ENDED.strftime("%Y%m%d-%H%M%S"),
        "model_id": "a/made-up",
        "duration": seconds,
        "completed": 10,
        "input_lens": [100] * 10,
        "output_lens": [11] * 10,
        "ttfts": [seconds / 2] * 10,
        "itls": [[seconds / 20] * 10] * 10,
    }
    (folder / "run.json").write_text(json.dumps(run | changes))
    rows = ["timestamp,index,power.draw [W]"]
    for count in range(round(130.0 / every)):
        after_s = -100.0 + count * every
        at = (ENDED + datetime.timedelta(seconds=after_s)).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3]
        rows.append(f"{at}, 0, {600 if -seconds <= after_s <= 0 else 60:.2f} W")
    (folder / "power.csv").write_text("\n".join(rows))
    return import_vllm_bench(
        folder / "run.json", folder / "power.csv", None, {"device": "1xh100"}, UNIVERSAL
    )


def test_a_short_run_is_reported_with_its_figures_and_flagged(tmp_path: Path) -> None:
    """Three seconds, a reading each second, its date in whole ones: (1 + 1/2 + 1) s of 3."""
    trials, notes = measured(tmp_path, 3.0)
    assert trials.energy_gpu_j.tolist() == pytest.approx([180.0])
    assert trials.flags.tolist() == ["short_window"]
    (said,) = [note for note in notes if "short" in note]
    assert said == (
        "run.json: a window of 3 s is short for a reading every 1 s and moments to 1 s: its joules "
        "may be off by up to 83%; run for 13 s or longer; flagged short_window"
    )


@pytest.mark.parametrize(
    ("seconds", "every", "short"),
    [
        (4.9, 0.1, True),
        (9.0, 0.1, False),
        (11.0, 1.0, True),
        (20.0, 1.0, False),
        (60.0, 5.0, False),
    ],
)
def test_a_run_is_short_by_what_its_log_leaves_open(
    tmp_path: Path, seconds: float, every: float, short: bool
) -> None:
    trials, notes = measured(tmp_path, seconds, every)
    assert trials.flags.tolist() == ["short_window" if short else ""]
    assert any("short" in note for note in notes) == short


@pytest.mark.parametrize(("seconds", "every"), [(0.6, 1.0), (1.9, 2.0), (0.05, 0.1)])
def test_a_run_of_fewer_than_two_readings_is_refused(
    tmp_path: Path, seconds: float, every: float
) -> None:
    with pytest.raises(
        ObservationError, match=r"2 readings or more of GPU 0 within a run of .*-lms"
    ):
        measured(tmp_path, seconds, every)


def test_short_runs_are_reported_together_the_worst_with_its_figures(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    for seconds in (3.0, 4.0, 30.0):
        measured(tmp_path, seconds)
        (folder / f"{seconds:g}.json").write_bytes((tmp_path / "run.json").read_bytes())
    trials, notes = import_vllm_bench(
        folder, tmp_path / "power.csv", None, {"device": "1xh100"}, UNIVERSAL
    )
    assert trials.flags.tolist() == ["short_window", "", "short_window"]
    assert sum("short" in note for note in notes) == 1
    assert any(note.startswith("3.json and 1 more: a window of 3 s") for note in notes)


def test_a_beginning_in_minutes_is_off_by_one(tmp_path: Path) -> None:
    measured(tmp_path, 30.0)
    _, notes = import_vllm_bench(
        tmp_path / "run.json", tmp_path / "power.csv", "2026-01-31T11:59Z", {"device": "1xh100"}
    )
    assert any("moments to 60 s: its joules may be off by up to" in note for note in notes)


def test_a_short_steady_state_of_a_counter_is_reported_too(tmp_path: Path) -> None:
    run = {
        "model_id": "a/made-up",
        "steady_state_duration": 2.0,
        "steady_state_energy": 600.0,
        "steady_state_energy_per_token": 2.0,
        "completed": 10,
        "total_output_tokens": 1000,
        "itls": [[0.01] * 10] * 10,
    }
    for seconds in (2.0, 20.0):
        changed = run | {"steady_state_duration": seconds, "steady_state_energy": 300.0 * seconds}
        (tmp_path / "results.json").write_text(json.dumps(changed))
        trials, notes = import_mlenergy(tmp_path / "results.json", {"device": "1xh100"})
        short = seconds < STEADY_S
        assert trials.flags.tolist() == ["short_window" if short else ""]
        assert any("off by up to 10%; run for 5 s or longer" in note for note in notes) == short


def test_what_is_enough_is_enough() -> None:
    for seconds in (0.1, 1.0, 3.0):
        needed = max(STEADY_S, seconds * metered_edges(seconds).error / MAX_ERROR)
        assert not metered_edges(needed).short


@settings(deadline=None)
@given(st.floats(0.5, 300.0), st.floats(0.0, 5.0))
def test_the_seconds_that_are_reported_are_whole_and_enough(window_s: float, error: float) -> None:
    edges = Edges(window_s, 5.0, 1.0, error)
    run_for = re.search(r"run for ([0-9]+) s or longer", edges.describe())
    assert run_for is not None
    enough_s = int(run_for[1])
    open_share = error * window_s / enough_s
    assert not Edges(enough_s, 5.0, 1.0, open_share * (1 - ROUNDING)).short
    if enough_s > STEADY_S:
        assert error * window_s / (enough_s - 1) > MAX_ERROR * (1 - ROUNDING)
