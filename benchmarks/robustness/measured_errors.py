"""Cost models of one half of the measured grid points, and their errors on the other half.

The measurements are Wilkins et al.'s trials on A100-SXM4-40GB. The planner gets the cost models of
the first half, with the intervals that cross-validation *within* that half gives them. What a
replay multiplies runtimes by is measured over predicted at a trial of the other half: nothing of
the planner's own law of errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.cost_model import CostModel
from profiler.fit.cells import grid_cells
from profiler.fit.cross_validation import seeded_folds
from profiler.fit.loads import load_figures, read_loads
from profiler.fit.pair_fit import fit_pair
from profiler.fit.selection import choose_trials
from profiler.importers.wilkins2024 import import_wilkins2024
from profiler.observations import Observations

SHORTEST_S = 1.0
"""Trials that ran shorter are left out of the replay: the meter's noise, not the cost model's
error, decides there, and the requests of the traces run longer."""


@dataclass(frozen=True)
class HeldOutPair:
    """A cost model, and how far it was off where it had not learned.

    Attributes
    ----------
    runtime_ratios, energy_ratios
        Measured over predicted at each held-out grid point, mean of its repeats, shape (points,).
    """

    cost_model: CostModel
    runtime_ratios: FloatArray
    energy_ratios: FloatArray


def held_out_pairs(
    data: Path, pairs: Sequence[tuple[str, str]], seed: int
) -> dict[tuple[str, str], HeldOutPair]:
    """Fit each pair on a seeded half of its grid points and compare it with the other half."""
    trials = import_wilkins2024(data / "wilkins2024")
    loads = load_figures(read_loads([data / "wilkins2024" / "loads.csv"]))
    found = {}
    for llm, device in pairs:
        mine = trials.take((trials.llm == llm) & (trials.device == device))
        chosen = mine.take(choose_trials(mine, "gpu")[0])
        cell = _cells(chosen)
        learn = seeded_folds(cell, 2, seed) == 0
        fit = fit_pair(llm, device, chosen.take(learn), loads.get((llm, device)), None)
        held = chosen.take(~learn)
        found[llm, device] = _compare(fit.cost_model, held, cell[~learn])
    return found


def _cells(trials: Observations) -> IntArray:
    return grid_cells(trials.concurrency, trials.input_tokens, trials.output_tokens)


def _compare(cost_model: CostModel, held: Observations, cell: IntArray) -> HeldOutPair:
    tokens = held.input_tokens, held.output_tokens, 1.0
    long_enough = held.runtime_s >= SHORTEST_S
    return HeldOutPair(
        cost_model,
        _by_point(held.runtime_s / cost_model.device_seconds(*tokens), cell, long_enough),
        _by_point(held.energy_gpu_j / cost_model.energy_j(*tokens), cell, long_enough),
    )


def _by_point(ratios: FloatArray, cell: IntArray, chosen: BoolArray) -> FloatArray:
    points = np.unique(cell[chosen])
    means = [float(np.exp(np.log(ratios[chosen & (cell == point)]).mean())) for point in points]
    return np.array(means)
