"""Campaigns on recorded windows: what they learn, what they keep, and where they go on."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from profiler.campaign.journal import Journal
from profiler.campaign.progress import CampaignProgress
from profiler.campaign.replay import ReplayRig
from profiler.campaign.run import Outcome, run_campaign
from profiler.campaign.stages import ENERGY as ENERGY_SPENT
from profiler.campaign.stages import EXHAUSTED, GRID, TARGET, TIME, Design
from profiler.campaign.trial import ANCHORS, UNSTABLE
from profiler.errors import ObservationError, UnfittablePairError, UnusableInputError
from profiler.fit.pair_fit import fit_pair
from profiler.fit.selection import IMPOSSIBLE_FLAG, IMPOSSIBLE_JOULES
from profiler.observation_files import read_observations
from tests.profiler.campaign.recorded import DEVICE, ENERGY, LLM, record
from tests.profiler.campaign.watcher import KilledError, Watcher

SETTINGS = {"llm": LLM, "seed": 0}


def run(path: Path, rig: ReplayRig, design: Design, windows: float = np.inf) -> Outcome:
    with Journal(path, SETTINGS) as journal:
        return run_campaign(design, rig, journal, Watcher(windows))


@pytest.fixture
def rig(tmp_path: Path) -> ReplayRig:
    return ReplayRig(LLM, DEVICE, record(tmp_path / "recorded.csv"))


def test_an_adaptive_campaign_stops_early_and_finds_the_law(tmp_path: Path, rig: ReplayRig) -> None:
    path = tmp_path / "obs.csv"
    outcome = run(path, rig, Design(target_error=0.05))
    assert outcome.reason == TARGET
    assert outcome.uncertainty is not None
    assert outcome.uncertainty <= 0.05
    assert 10 <= outcome.points < 25
    fitted = fit_pair(LLM, DEVICE, read_observations(path), None, None).cost_model
    every = np.array([(p.input_tokens, p.output_tokens, p.concurrency) for p in rig.candidates()])
    features = rig.basis.features(*every.T.astype(float))
    off = fitted.energy_j(*every.T) / (features @ np.array(ENERGY)) - 1.0
    assert np.abs(off).mean() < 0.05


def test_joules_that_cannot_be_are_kept_marked_and_not_fitted(
    tmp_path: Path, rig: ReplayRig, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = record(tmp_path / "recorded.csv")
    misread = replace(recorded, energy_gpu_j=1e3 * recorded.energy_gpu_j)
    path, design = tmp_path / "obs.csv", Design(kind=GRID)
    wrong = ReplayRig(LLM, DEVICE, misread)
    with (
        Journal(path, SETTINGS) as journal,
        CampaignProgress(design, len(wrong.candidates())) as progress,
    ):
        run_campaign(design, wrong, journal, progress)
        assert journal.trials
    said = capsys.readouterr().err
    assert said.count("Expected at most 945 W of 1xh100") == 1
    trials = read_observations(path)
    assert trials.flagged(IMPOSSIBLE_FLAG).all()
    with pytest.raises(UnfittablePairError, match=IMPOSSIBLE_JOULES):
        fit_pair(LLM, DEVICE, trials.take(~trials.warmup), None, None)
    run(tmp_path / "right.csv", rig, design)
    assert not read_observations(tmp_path / "right.csv").flagged(IMPOSSIBLE_FLAG).any()


def test_a_stricter_target_takes_more_points(tmp_path: Path) -> None:
    rig = ReplayRig(LLM, DEVICE, record(tmp_path / "recorded.csv", noise=0.05))
    loose = run(tmp_path / "loose.csv", rig, Design(target_error=0.2))
    strict = run(tmp_path / "strict.csv", rig, Design(target_error=0.02))
    assert strict.points > loose.points
    assert strict.uncertainty < loose.uncertainty  # type: ignore[operator]


def test_the_grid_measures_every_point_in_an_order_that_the_seed_draws(
    tmp_path: Path, rig: ReplayRig
) -> None:
    orders = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        path = tmp_path / f"{name}.csv"
        outcome = run(path, rig, Design(kind=GRID, seed=seed))
        assert (outcome.reason, outcome.points) == (EXHAUSTED, 36)
        orders.append(path.read_text())
    assert orders[0] == orders[1] != orders[2]


def test_budgets_end_a_campaign(tmp_path: Path, rig: ReplayRig) -> None:
    outcome = run(tmp_path / "obs.csv", rig, Design(max_seconds=1e-3))
    assert (outcome.reason, outcome.points) == (TIME, 1)
    outcome = run(tmp_path / "other.csv", rig, Design(max_joules=1e-3))
    assert (outcome.reason, outcome.points) == (ENERGY_SPENT, 1)


def test_a_campaign_killed_anywhere_goes_on_to_the_same_file(
    tmp_path: Path, rig: ReplayRig
) -> None:
    design = Design(target_error=0.05)
    run(tmp_path / "whole.csv", rig, design)
    whole = (tmp_path / "whole.csv").read_bytes()
    path, draws = tmp_path / "killed.csv", random.Random(5)
    for _ in range(10):
        try:
            run(path, rig, design, windows=draws.randrange(4))
        except KilledError:
            tear(path, draws)
    run(path, rig, design)
    assert path.read_bytes() == whole


def tear(path: Path, draws: random.Random) -> None:
    """Leave what a process killed while writing leaves: part of a line."""
    if draws.random() < 0.7:
        with path.open("ab") as file:
            file.write(b"example-1b,1xl4,1,4,on,5"[: draws.randrange(1, 24)])


def test_repeats_that_differ_are_repeated_and_marked(tmp_path: Path) -> None:
    noisy = ReplayRig(LLM, DEVICE, record(tmp_path / "r.csv", repeats=6, noise=0.2))
    path = tmp_path / "obs.csv"
    run(path, noisy, Design(max_seconds=50.0))
    trials = read_observations(path)
    marked = trials.flagged(UNSTABLE)
    stages = trials.extra["stage"]
    assert marked.any()
    assert not marked.all()
    first = stages[0]
    assert first == ANCHORS
    points = list(zip(trials.input_tokens, trials.output_tokens, trials.concurrency, strict=True))
    for number in np.flatnonzero(marked):
        assert points.count(points[number]) == 4


def test_a_replay_of_marked_windows_marks_each_once(tmp_path: Path) -> None:
    noisy = record(tmp_path / "r.csv", repeats=6, noise=0.2)
    marked = replace(noisy, flags=np.full(len(noisy), UNSTABLE))
    path = tmp_path / "obs.csv"
    run(path, ReplayRig(LLM, DEVICE, marked), Design(max_seconds=50.0))
    assert set(read_observations(path).flags) == {UNSTABLE}


def test_a_campaign_about_something_else_is_refused(tmp_path: Path, rig: ReplayRig) -> None:
    path = tmp_path / "obs.csv"
    run(path, rig, Design(max_seconds=1e-3))
    with pytest.raises(UnusableInputError, match="seed 0, not 1"), Journal(path, {"seed": 1}):
        pass


def test_settings_bind_from_the_first_window_on(tmp_path: Path, rig: ReplayRig) -> None:
    path = tmp_path / "obs.csv"
    with Journal(path, {"seed": 1}):
        pass
    assert not path.with_name("obs.campaign.json").exists()
    run(path, rig, Design(max_seconds=1e-3))
    assert len(read_observations(path)) > 0


def test_a_campaign_that_runs_already_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "obs.csv"
    with Journal(path, SETTINGS), pytest.raises(UnusableInputError, match="another"):  # noqa: SIM117
        with Journal(path, SETTINGS):
            pass


def test_no_two_ever_run_a_campaign_whose_settings_come_and_go(tmp_path: Path) -> None:
    def try_often(mine: int) -> list[set[int]]:
        seen = []
        for _ in range(800):
            with suppress(UnusableInputError), Journal(tmp_path / "obs.csv", SETTINGS):
                inside.add(mine)
                seen += [set(inside) for _ in range(200)]
                inside.remove(mine)
        return seen

    inside: set[int] = set()
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            seen = [one for held in threads.map(try_often, range(8)) for one in held]
    finally:
        sys.setswitchinterval(interval_s)
    assert seen
    assert max(map(len, seen)) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: p.with_name("obs.campaign.json").unlink(), "obs.campaign.json"),
        (lambda p: p.write_text("a,b\n1,2\n"), "columns of a campaign"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_left_alone(
    tmp_path: Path, rig: ReplayRig, spoil: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "obs.csv"
    run(path, rig, Design(max_seconds=1e-3))
    spoil(path)
    before = path.read_text()
    with pytest.raises((UnusableInputError, ObservationError), match=said), Journal(path, SETTINGS):
        pass
    assert path.read_text() == before


def test_a_replay_says_that_nothing_was_measured(tmp_path: Path, rig: ReplayRig) -> None:
    run(tmp_path / "obs.csv", rig, Design(max_seconds=1e-3))
    assert set(read_observations(tmp_path / "obs.csv").source) == {"simulated"}


def test_a_pair_that_was_not_recorded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match="none"):
        ReplayRig("other", DEVICE, record(tmp_path / "r.csv"))
