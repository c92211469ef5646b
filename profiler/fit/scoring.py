"""Errors of predictions against measurements, as ratios (0.05 is five per cent)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray


@dataclass(frozen=True)
class Score:
    """How far predictions lie from measurements, over n trials.

    Attributes
    ----------
    trials
        Number of trials scored.
    mape
        Mean of |predicted - measured| / measured.
    median_ape
        Median of the same.
    wape
        Sum of |predicted - measured| over the sum of measured: long requests count more.
    p90_ape
        90th percentile of |predicted - measured| / measured.
    negative
        Number of predictions below zero.
    """

    trials: int
    mape: float
    median_ape: float
    wape: float
    p90_ape: float
    negative: int


def score(measured: FloatArray, predicted: FloatArray) -> Score:
    """Score predictions against measurements.

    Parameters
    ----------
    measured
        Shape (n,), n >= 1, positive.
    predicted
        Shape (n,), finite.

    Returns
    -------
    Score
        Ratios, not per cent.

    Examples
    --------
    >>> score(np.array([10.0, 20.0]), np.array([11.0, 20.0])).mape
    0.05
    """
    absolute = np.abs(predicted - measured)
    relative = absolute / measured
    return Score(
        trials=len(measured),
        mape=float(relative.mean()),
        median_ape=float(np.median(relative)),
        wape=float(absolute.sum() / measured.sum()),
        p90_ape=float(np.percentile(relative, 90)),
        negative=int((predicted < 0).sum()),
    )


def mean_score(scores: list[Score]) -> Score:
    """Average the scores of several splits of the same trials.

    Parameters
    ----------
    scores
        One score or more. Ratios are averaged; negative predictions are summed.

    Returns
    -------
    Score
        Score with the number of trials of one split.
    """
    return Score(
        trials=scores[0].trials,
        mape=float(np.mean([one.mape for one in scores])),
        median_ape=float(np.mean([one.median_ape for one in scores])),
        wape=float(np.mean([one.wape for one in scores])),
        p90_ape=float(np.mean([one.p90_ape for one in scores])),
        negative=sum(one.negative for one in scores),
    )
