"""Joules against what a device can draw."""

from pathlib import Path

import numpy as np
import pytest

from profiler.errors import ObservationError
from profiler.fit.selection import IMPOSSIBLE_FLAG, IMPOSSIBLE_JOULES, choose_trials
from profiler.importers.mlenergy_v3 import import_mlenergy_v3
from profiler.importers.wilkins2024 import import_wilkins2024
from profiler.observation_files import read_observations
from profiler.observations import Observations
from profiler.plausibility import (
    mean_watts,
    misread_trials,
    misread_window,
    nearest_scale,
    slow_tokens,
    unchecked_devices,
    unmetered,
)
from tests.profiler.builders import ROOT, drawing, row_of, trials_at, write_rows


@pytest.mark.parametrize("watts", [2.0, 15.0, 72.0, 90.0])
def test_what_a_device_can_draw_is_taken(watts):
    assert misread_trials(drawing(watts)) == []


@pytest.mark.parametrize(
    ("watts", "said"),
    [
        (6e4, r"at most 97.2 W of 1xl4 .*72 W by NVIDIA L4.*got 60 kW.*millijoules \(60 W\)"),
        (60e6, r"microjoules \(60 W\)"),
        (60e3 / 1e6, r"at least 1.44 W.*kilojoules \(60 W\)"),
        (60 / 3600, r"watt-hours \(60 W\)"),
        (60 / 3.6e6, r"kilowatt-hours \(60 W\)"),
        (240.0, r"all requests in flight \(60 W\)"),
    ],
)
def test_what_it_cannot_draw_is_refused_with_the_unit_that_would_make_sense(watts, said):
    (found,) = misread_trials(drawing(watts))
    assert found.trial == 0
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(found.problem)


def test_each_trial_is_judged_by_its_own_device_and_all_of_its_accelerators():
    assert misread_trials(drawing(2400.0, "4xh100")) == []
    assert len(misread_trials(drawing(2400.0, "2xh100"))) == 1
    assert misread_trials(drawing(900.0, "1xb200")) == []


def test_a_device_of_which_nothing_is_published_is_checked_widely_and_reported():
    trials = drawing(1800.0, "1xabacus")
    assert misread_trials(trials) == []
    (said,) = unchecked_devices({"1xabacus"})
    assert said.startswith("1xabacus is not among the devices whose power is published")
    assert "Were the joules millijoules" in misread_trials(drawing(1.8e6, "1xabacus"))[0].problem
    assert unchecked_devices({"1xl4"}) == []


def test_a_scope_of_more_than_the_accelerator_may_be_more():
    wall = {"extra": {"energy_scope": np.array(["wall"])}}
    assert misread_trials(drawing(600.0, **wall)) == []
    assert len(misread_trials(drawing(600.0))) == 1


def test_a_window_with_pauses_is_judged_by_its_own_seconds():
    """Ten requests of two seconds in a hundred, one at a time: the pauses drew power too."""
    extra = {"requests": np.array(["10"]), "window_s": np.array(["100"])}
    trials = drawing(300.0, batch=1.0, extra=extra)
    assert mean_watts(trials).tolist() == [60.0]
    assert misread_trials(trials) == []


def test_zero_joules_are_no_power_and_are_counted():
    trials = drawing(0.0)
    assert misread_trials(trials) == []
    assert unmetered(trials) == ["joules are zero in 1 of 1 trials: the meter saw nothing of them"]
    assert unmetered(drawing(60.0)) == []


def test_a_file_with_impossible_joules_is_refused_wherever_it_is_read(tmp_path):
    rows = [row_of(energy_gpu_j="100"), row_of(energy_gpu_j="100000")]
    path = write_rows(tmp_path / "obs.csv", rows)
    with pytest.raises(ObservationError, match=r"row 3, column energy_gpu_j.*millijoules"):
        read_observations(path)


def test_a_window_marked_as_impossible_is_read_and_not_fitted(tmp_path):
    rows = [row_of(energy_gpu_j="100"), row_of(energy_gpu_j="100000", flags=IMPOSSIBLE_FLAG)]
    trials = read_observations(write_rows(tmp_path / "obs.csv", rows))
    chosen, left_out = choose_trials(trials, "gpu")
    assert chosen.tolist() == [True, False]
    assert left_out == {IMPOSSIBLE_JOULES: 1}


def test_a_window_of_a_campaign_is_judged_by_its_cells():
    cells = {
        "device": "1xl4",
        "energy_scope": "gpu",
        "concurrency": "4",
        "runtime_s": "2",
        "energy_gpu_j": "30",
        "energy_cpu_j": "",
    }
    assert misread_window(cells) is None
    assert misread_window({**cells, "energy_gpu_j": "0"}) is None
    assert "got 60 kW" in (misread_window({**cells, "energy_gpu_j": "30000"}) or "")


def test_physics_chooses_between_millijoules_and_megajoules():
    assert nearest_scale(np.array([6e4]), "1xl4", (1e-3, 1e6)) == 1e-3
    assert nearest_scale(np.array([6e-5]), "1xl4", (1e-3, 1e6)) == 1e6
    assert nearest_scale(np.array([60.0]), "1xl4", (1e-3, 1e6)) is None


def test_everything_that_was_published_passes(shared_data: Path):
    for trials in (
        import_wilkins2024(shared_data / "wilkins2024"),
        import_mlenergy_v3(shared_data / "mlenergy_v3")[0],
    ):
        assert misread_trials(trials) == []


def test_the_recorded_examples_pass():
    folder = ROOT / "examples" / "simulated_gpu" / "recorded"
    for name in ("observations.csv", "held-out.csv"):
        assert misread_trials(read_observations(folder / name)) == []


def lasting(seconds: float, batch: float = 1.0, kv_cache: str = "on", **changes) -> Observations:
    """One trial of 100 tokens in and 50 out."""
    points = np.array([[100.0, 50.0, batch]])
    one = np.array([seconds / batch])
    return trials_at(points, one, one, kv_cache=np.array([kv_cache]), **changes)


@pytest.mark.parametrize("trials", [lasting(1.0), lasting(200.0), lasting(2000.0, kv_cache="off")])
def test_seconds_that_tokens_take_are_taken(trials):
    assert slow_tokens(trials) == []


def test_requests_that_wait_for_others_take_longer():
    assert slow_tokens(lasting(1000.0, 1024.0)) == []
    assert slow_tokens(lasting(1000.0, 64.0)) != []


def test_milliseconds_that_seem_seconds_are_reported():
    """Joules in thousandths too give a power that can be."""
    (said,) = slow_tokens(lasting(1000.0))
    assert "1000 s for 50" in said
    assert "--unit runtime_s=ms" in said
