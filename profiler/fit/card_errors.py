"""Cross-validated figures as the plain data that a card carries."""

from __future__ import annotations

from typing import Any

from costmodel.bases import CONTROL_BASIS
from profiler.fit.error_figures import QuantityFigures, error_figures, method
from profiler.fit.least_squares import significant
from profiler.fit.scoring import Score
from profiler.fit.throughput_drops import throughput_drops
from profiler.fit.training import RUNTIME, TrainingSet

CARD_DIGITS = 5
"""Digits of the figures on a card: more would only be the noise of another machine's arithmetic."""

Plain = dict[str, Any]


def card_errors(data: TrainingSet) -> tuple[Plain, dict[str, QuantityFigures]]:
    """Cross-validate a pair and write the figures down for its card.

    Parameters
    ----------
    data
        Trials of one pair.

    Returns
    -------
    tuple
        What the card says: `method`, and for `energy` and `runtime` the ratios `mape`,
        `median_ape`, `wape`, `p90_ape` and `coverage90` (null where too few points gave an
        interval), the count `negative_predictions`, and under `held_out` the errors at the largest
        level of an axis after a fit on the rest; the same of the `control`; for curves over the
        batch the `throughput_drops`. And the figures themselves.
    """
    figures = error_figures(data)
    record: Plain = {"method": method(data)}
    for quantity, found in figures.items():
        record[quantity] = {
            **_ratios(found.score),
            "coverage90": _rounded(found.coverage.ratio),
            "coverage_trials": found.coverage.judged,
            "held_out": {axis: _ratios(one) for axis, one in found.held_out.items()},
        }
    record["control"] = {
        "basis": CONTROL_BASIS,
        "terms": "tin, tout, tin*tout" if data.basis.needs_input else "tout",
        **{quantity: _ratios(found.control) for quantity, found in figures.items()},
    }
    if not data.basis.needs_input:
        _, output_tokens, concurrency = data.points.T
        drops = throughput_drops(concurrency, output_tokens, data.targets[RUNTIME].measured)
        record["throughput_drops"] = [
            {name: significant(value, CARD_DIGITS) for name, value in drop.items()}
            for drop in drops
        ]
    return record, figures


def _ratios(score: Score) -> Plain:
    return {
        "trials": score.trials,
        "mape": _rounded(score.mape),
        "median_ape": _rounded(score.median_ape),
        "wape": _rounded(score.wape),
        "p90_ape": _rounded(score.p90_ape),
        "negative_predictions": score.negative,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else significant(value, CARD_DIGITS)
