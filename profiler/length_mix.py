"""The law of the mix: what a window of requests of several lengths says of a linear form.

Joules and device-seconds of a request are linear in functions of its tokens (`costmodel.bases`), so
a window's joules per request are the same form of the *means* of those functions over its requests.
Of those functions only some are not linear in the tokens; their means are columns of a row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from costmodel.arrays import BoolArray, FloatArray
from costmodel.bases import TokenTerms
from costmodel.formulas import context_square_sum, context_sum
from profiler.observations import Observations

MEAN_COLUMNS: Mapping[str, str] = {
    "tin^2": "input_tokens_squared",
    "S1": "context_sum",
    "S2": "context_square_sum",
}
"""Further column by function of the tokens: its mean over the requests of a window."""
MIXED_FLAG = "mixed"
"""Marks windows of mixed lengths."""
_ROUNDED = 1.0 - 1e-6


def mean_cells(input_tokens: FloatArray, output_tokens: FloatArray) -> dict[str, str]:
    """Write the means of a window's requests as cells of its row.

    Parameters
    ----------
    input_tokens, output_tokens
        Shape (n,), tokens of each request, n of at least 1.

    Returns
    -------
    dict
        Text by column: both means, and those of `MEAN_COLUMNS`.

    Examples
    --------
    >>> mean_cells(np.array([1.0, 3.0]), np.array([2.0, 2.0]))["input_tokens_squared"]
    '5'
    """
    means = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        MEAN_COLUMNS["tin^2"]: input_tokens * input_tokens,
        MEAN_COLUMNS["S1"]: context_sum(input_tokens, output_tokens),
        MEAN_COLUMNS["S2"]: context_square_sum(input_tokens, output_tokens),
    }
    return {name: f"{float(values.mean()):.9g}" for name, values in means.items()}


def means_known(trials: Observations) -> BoolArray:
    """Say of which windows the means are recorded.

    Parameters
    ----------
    trials
        n windows.

    Returns
    -------
    numpy.ndarray
        Shape (n,). A mean of squares below the square of the mean is none: by Jensen's inequality
        no requests have it.
    """
    squares, *others = (_column(trials, name) for name in MEAN_COLUMNS.values())
    lengths = trials.input_tokens
    possible = squares >= lengths * lengths * _ROUNDED
    return np.asarray(possible & np.all(np.isfinite([squares, *others]), axis=0))


class WindowTerms(TokenTerms):
    """The functions of the tokens as means over the requests of each window.

    Where a window's means are not recorded, its requests are taken as all of its mean length.

    Parameters
    ----------
    trials
        n windows.
    """

    def __init__(self, trials: Observations) -> None:
        super().__init__(trials.input_tokens, trials.output_tokens)
        known = means_known(trials)
        for term, column in MEAN_COLUMNS.items():
            self._computed[term] = np.where(known, _column(trials, column), self[term])


def _column(trials: Observations, name: str) -> FloatArray:
    texts = trials.extra.get(name)
    if texts is None:
        return np.full(len(trials), np.nan)
    return np.array([_number(text) for text in texts.tolist()], dtype=np.float64)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return np.nan
    return value if 0.0 <= value < np.inf else np.nan
