"""What an adaptive campaign costs and learns, replayed on the published A100 grids.

    python -m benchmarks.profiling [--data DIR] [--target-error RATIO]

For each LLM the campaign runs on the recorded trials: its points are fitted and judged on the
trials of all other points, beside the fit on the full grid, cross-validated on the same trials.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.markdown import percent, table
from benchmarks.workloads import DATA
from costmodel.provenance import GPU
from profiler.campaign.journal import Journal
from profiler.campaign.replay import ReplayRig
from profiler.campaign.run import run_campaign
from profiler.campaign.stages import Design, Step
from profiler.campaign.trial import Trial
from profiler.fit.cross_validation import out_of_fold, splits
from profiler.fit.least_squares import fit_non_negative
from profiler.fit.selection import choose_trials
from profiler.fit.training import ENERGY, RUNTIME, TrainingSet, training_set
from profiler.observation_files import read_observations
from profiler.observations import Observations

HEADER = (
    "LLM", "points", "of", "% of the grid's time", "uncertainty %", "energy MAPE %", "full grid %",
    "ratio", "runtime MAPE %", "full grid %", "ratio",
)  # fmt: skip


@dataclass(frozen=True)
class Replayed:
    """One campaign beside the full grid.

    Attributes
    ----------
    points, all_points
        Measured, and of the grid.
    time_ratio
        Seconds over those of one trial at every point and repeat of the grid.
    uncertainty
        Uncertainty at which the campaign ended.
    mape, full_mape
        Errors by quantity, on the trials of points that the campaign did not measure.
    """

    points: int
    all_points: int
    time_ratio: float
    uncertainty: float
    mape: dict[str, float]
    full_mape: dict[str, float]


class _Silent:
    def step(self, step: Step, trials: list[Trial]) -> None:
        pass

    def window(self, trial: Trial) -> None:
        pass


def replay(llm: str, device: str, recorded: Observations, target: float) -> Replayed:
    """Run one campaign on recorded trials and judge it.

    Parameters
    ----------
    llm, device
        The pair.
    recorded
        Its trials on a grid.
    target
        Wanted error.
    """
    rig = ReplayRig(llm, device, recorded)
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "o.csv", {}) as journal:
        outcome = run_campaign(Design(target_error=target), rig, journal, _Silent())
        trials = list(journal.trials)
    chosen, _ = choose_trials(recorded, GPU)
    steady = recorded.take(chosen)
    data = training_set(steady, GPU)
    taken = {(trial.cells["input_tokens"], trial.cells["output_tokens"]) for trial in trials}
    learn = np.array([(_text(a), _text(b)) in taken for a, b, _ in data.points.tolist()])
    cells = np.unique(data.cell[learn])
    rest = ~np.isin(data.cell, cells)
    measured = {
        ENERGY: np.array([trial.energy_j for trial in trials]),
        RUNTIME: np.array([trial.device_seconds for trial in trials]),
    }
    features = data.basis.features(*np.array([trial.achieved for trial in trials]).T)
    mape = {
        quantity: _mape(
            data.features[rest] @ fit_non_negative(features, values), data, quantity, rest
        )
        for quantity, values in measured.items()
    }
    return Replayed(
        points=len(cells),
        all_points=data.distinct_points,
        time_ratio=outcome.seconds / float(steady.runtime_s.sum()),
        uncertainty=outcome.uncertainty or float("nan"),
        mape=mape,
        full_mape={quantity: _full(data, quantity, rest) for quantity in mape},
    )


def _mape(predicted: np.ndarray, data: TrainingSet, quantity: str, rest: np.ndarray) -> float:
    return float(np.mean(np.abs(predicted / data.targets[quantity].measured[rest] - 1.0)))


def _full(data: TrainingSet, quantity: str, rest: np.ndarray) -> float:
    everything = np.ones(len(data), dtype=np.bool_)
    target = data.targets[quantity]
    errors = [
        _mape(
            out_of_fold(data, fold, everything)[quantity][rest] / target.scale[rest],
            data,
            quantity,
            rest,
        )
        for fold in splits(data)
    ]
    return float(np.mean(errors))


def _text(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def main(arguments: Sequence[str] | None = None) -> None:
    """Replay all grids and print their table."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.profiling")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--target-error", type=float, default=0.05)
    options = parser.parse_args(arguments)
    path = options.data / "wilkins2024" / "observations.csv"
    if not path.exists():
        sys.exit(f"Expected the published trials at {path}, got none: give --data.")
    everything = read_observations(path)
    grid = everything.take(everything.extra["suite"] == "grid")
    rows = []
    for llm, device, recorded in grid.pairs():
        if "sxm4" not in device:
            continue
        found = replay(llm, device, recorded, options.target_error)
        ratios = {
            quantity: found.mape[quantity] / found.full_mape[quantity] for quantity in found.mape
        }
        rows.append(
            [llm, str(found.points), str(found.all_points), percent(found.time_ratio)]
            + [percent(found.uncertainty)]
            + [
                text
                for quantity in (ENERGY, RUNTIME)
                for text in (
                    percent(found.mape[quantity]),
                    percent(found.full_mape[quantity]),
                    f"{ratios[quantity]:.2f}",
                )
            ]
        )
    print(table(HEADER, rows))


if __name__ == "__main__":
    main()
