"""Windows of mixed lengths against a fit on uniform ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from costmodel.arrays import FloatArray
from costmodel.bases import Basis, TokenTerms
from profiler.fit.least_squares import significant
from profiler.fit.scoring import Score, score
from profiler.fit.selection import MIXED_FLAG, metered, scoped_energy_j
from profiler.fit.training import ENERGY, RUNTIME
from profiler.observations import Observations

DIGITS = 5
_MEANS = {"tin^2": "input_tokens_squared", "S1": "context_sum", "S2": "context_square_sum"}


class MeanTerms(TokenTerms):
    """The functions of the tokens as means over the requests of each window.

    Parameters
    ----------
    trials
        n windows with the further columns that hold the means.
    """

    def __init__(self, trials: Observations) -> None:
        super().__init__(trials.input_tokens, trials.output_tokens)
        for term, column in _MEANS.items():
            self._computed[term] = np.array([float(text) for text in trials.extra[column]])


def mixed_windows(trials: Observations, scope: str) -> Observations:
    """Keep the windows of mixed lengths whose means are recorded and whose joules were seen."""
    if not all(column in trials.extra for column in _MEANS.values()):
        return trials.take(np.zeros(len(trials), dtype=np.bool_))
    told = np.all([trials.extra[column] != "" for column in _MEANS.values()], axis=0)
    seen = metered(scoped_energy_j(trials, scope))
    return trials.take(trials.flagged(MIXED_FLAG) & told & seen & ~trials.warmup)


def score_mixed(
    trials: Observations,
    scope: str,
    basis: Basis,
    coefficients: Mapping[str, Sequence[float]],
) -> dict[str, Any] | None:
    """Score a fit on the windows of mixed lengths, which it has not seen.

    Parameters
    ----------
    trials
        All trials of a pair.
    scope
        Energy scope.
    basis, coefficients
        Of the fit, by quantity.

    Returns
    -------
    dict or None
        `windows`, and for joules (`energy`) and device-seconds (`device_seconds`) the ratios `mape`
        and `wape`, with the largest error as `worst`; None where there is no such window.
    """
    mixed = mixed_windows(trials, scope)
    if not len(mixed):
        return None
    terms = MeanTerms(mixed)
    measured = {ENERGY: scoped_energy_j(mixed, scope), RUNTIME: mixed.device_seconds}
    scores = {
        name: _ratios(
            measured[quantity],
            basis.evaluate(coefficients[quantity], terms, mixed.concurrency),
        )
        for name, quantity in (("energy", ENERGY), ("device_seconds", RUNTIME))
    }
    return {"windows": len(mixed), **scores}


def _ratios(measured: FloatArray, predicted: FloatArray) -> dict[str, float]:
    found: Score = score(measured, predicted)
    figures = {
        "mape": found.mape,
        "wape": found.wape,
        "worst": float(np.max(np.abs(predicted / measured - 1.0))),
    }
    return {name: significant(value, DIGITS) for name, value in figures.items()}
