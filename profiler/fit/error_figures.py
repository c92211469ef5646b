"""Cross-validated figures of a pair: errors, the control's, coverage, extrapolation, intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.arrays import BoolArray, FloatArray
from costmodel.intervals import (
    MIN_INTERVAL_POINTS,
    ConformalInterval,
    conformal_quantile,
    residual_sigma,
)
from profiler.fit.cross_validation import (
    Predicted,
    fold_count,
    largest_level,
    nested,
    out_of_fold,
    predict,
    splits,
)
from profiler.fit.least_squares import significant
from profiler.fit.scoring import Score, mean_score, score
from profiler.fit.training import QUANTITIES, RUNTIME, TrainingSet, fit_control

POINT_COLUMNS = ("input_tokens", "output_tokens", "concurrency")
"""The columns of a training set's points."""
QUANTILE_DIGITS = 6


@dataclass(frozen=True)
class Coverage:
    """How many held-out trials lay inside intervals that they had no part in.

    Attributes
    ----------
    inside, judged
        Trials, summed over the splits.
    """

    inside: int
    judged: int

    @property
    def ratio(self) -> float | None:
        """Share inside; None where no interval could be made."""
        return self.inside / self.judged if self.judged else None


@dataclass(frozen=True)
class QuantityFigures:
    """Figures of energy or of runtime.

    Attributes
    ----------
    score, control
        Out of fold, of the cost model and, on the same folds, of the control; means of the splits.
    coverage
        Coverage of 90 % intervals made from the training folds alone.
    interval
        Interval from the out-of-fold residuals of all trials; None below nine distinct points.
    held_out
        Scores by axis: the score at its largest level after a fit on all other trials.
    """

    score: Score
    control: Score
    coverage: Coverage
    interval: ConformalInterval | None
    held_out: dict[str, Score]


def error_figures(data: TrainingSet) -> dict[str, QuantityFigures]:
    """Cross-validate a pair's fit.

    Ten seeded splits into five folds by grid point; where input lengths were never recorded, each
    batch size is left out once.

    Parameters
    ----------
    data
        Trials of one pair.

    Returns
    -------
    dict
        Figures by quantity.
    """
    everything = np.ones(len(data), dtype=np.bool_)
    folds = splits(data)
    rounds = [out_of_fold(data, fold, everything) for fold in folds]
    controls = [out_of_fold(data, fold, everything, fit_control) for fold in folds]
    covered, held_out = _coverage(data), _held_out(data)
    return {
        quantity: QuantityFigures(
            score=mean_score([_scored(data, quantity, one, everything) for one in rounds]),
            control=mean_score([_scored(data, quantity, one, everything) for one in controls]),
            coverage=covered[quantity],
            interval=_interval(data, quantity, rounds),
            held_out=held_out[quantity],
        )
        for quantity in QUANTITIES
    }


def method(data: TrainingSet) -> str:
    """Say in words how a pair's fit is cross-validated."""
    if data.basis.needs_input:
        return f"{fold_count(data)}-fold by grid point, means of {len(splits(data))} seeded splits"
    return "leave one batch size out"


def _scored(data: TrainingSet, quantity: str, predicted: Predicted, rows: BoolArray) -> Score:
    target = data.targets[quantity]
    return score((target.measured * target.scale)[rows], predicted[quantity][rows])


def _conformity(data: TrainingSet, quantity: str, predicted: Predicted) -> FloatArray:
    target = data.targets[quantity]
    # A prediction of zero has no finite residual: its interval is said to be unknown.
    with np.errstate(divide="ignore"):
        residuals = np.abs(np.log(predicted[quantity] / (target.measured * target.scale)))
    return np.asarray(residuals / residual_sigma(predicted[RUNTIME]))


def _interval(
    data: TrainingSet, quantity: str, rounds: list[Predicted]
) -> ConformalInterval | None:
    scores = np.concatenate([_conformity(data, quantity, one) for one in rounds])
    quantile = conformal_quantile(scores, np.tile(data.cell, len(rounds)))
    if data.distinct_points < MIN_INTERVAL_POINTS or not np.isfinite(quantile):
        return None
    return ConformalInterval(significant(quantile, QUANTILE_DIGITS), data.distinct_points)


def _coverage(data: TrainingSet) -> dict[str, Coverage]:
    inside, judged = dict.fromkeys(QUANTITIES, 0), dict.fromkeys(QUANTITIES, 0)
    for fold in splits(data):
        for asked, held, learnt in nested(data, fold):
            for quantity in QUANTITIES:
                scores = _conformity(data, quantity, learnt)[~asked]
                quantile = conformal_quantile(scores, data.cell[~asked])
                if np.isfinite(quantile):
                    within = _conformity(data, quantity, held)[asked] <= quantile
                    inside[quantity] += int(within.sum())
                    judged[quantity] += int(asked.sum())
    return {quantity: Coverage(inside[quantity], judged[quantity]) for quantity in QUANTITIES}


def _held_out(data: TrainingSet) -> dict[str, dict[str, Score]]:
    scores: dict[str, dict[str, Score]] = {quantity: {} for quantity in QUANTITIES}
    for number, axis in enumerate(POINT_COLUMNS):
        top = largest_level(data.points[:, number])
        if top is None or len(np.unique(data.cell[~top])) < data.features.shape[1]:
            continue
        predicted = predict(data, ~top, top)
        for quantity in QUANTITIES:
            scores[quantity][axis] = _scored(data, quantity, predicted, top)
    return scores
