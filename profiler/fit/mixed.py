"""Windows of mixed lengths against a fit on uniform ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from costmodel.arrays import FloatArray
from costmodel.bases import Basis
from profiler.fit.least_squares import significant
from profiler.fit.scoring import Score, score
from profiler.fit.selection import choose_trials, scoped_energy_j
from profiler.fit.training import ENERGY, RUNTIME
from profiler.length_mix import MIXED_FLAG, WindowTerms
from profiler.observations import Observations

MIXED_DIGITS = 5


def mixed_windows(trials: Observations, scope: str) -> Observations:
    """Keep the windows of mixed lengths that a fit could learn from."""
    usable, _ = choose_trials(trials, scope, mixed=True)
    return trials.take(usable & trials.flagged(MIXED_FLAG))


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
        Basis and coefficients of the fit, by quantity.

    Returns
    -------
    dict or None
        `windows`, and for joules (`energy`) and device-seconds (`device_seconds`) the ratios `mape`
        and `wape`, with the largest error as `worst`; None where there is no such window.
    """
    mixed = mixed_windows(trials, scope)
    if not len(mixed):
        return None
    terms = WindowTerms(mixed)
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
    return {name: significant(value, MIXED_DIGITS) for name, value in figures.items()}
