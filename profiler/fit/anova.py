"""Two-way analysis of variance of input and output tokens with their interaction.

Type II sums of squares of `C(tin) * C(tout)`, as Wilkins, Keshav and Mortier report them. Each sum
is the drop in the residual sum of squares between two nested fits, which also holds where a cell of
the grid is empty (a dropped warm-up).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.special import fdtrc

from costmodel.arrays import FloatArray, IntArray
from profiler.observations import Observations

PUBLISHED_LLMS = ("falcon-7b", "llama-2-7b-chat", "mistral-7b-v0.1")
"""The pool whose trials give the published digits; the text there says "across all LLMs"."""
PUBLISHED_DEVICE = "1xa100-sxm4-40gb"

SOURCES = ("input tokens", "output tokens", "interaction")


@dataclass(frozen=True)
class Effect:
    """One row of an analysis of variance.

    Attributes
    ----------
    sum_squares
        Sum in squares of the response's unit.
    df
        Degrees of freedom.
    f, p
        F statistic and its probability under no effect; None for the residual.
    """

    sum_squares: float
    df: int
    f: float | None
    p: float | None


PUBLISHED: Mapping[str, Mapping[str, Effect]] = MappingProxyType(
    {
        "energy": {
            "input tokens": Effect(5.17e10, 8, 15.86, 3.8e-17),
            "output tokens": Effect(4.13e11, 8, 126.63, 1.2e-65),
            "interaction": Effect(1.18e11, 64, 4.53, 4.7e-15),
        },
        "runtime": {
            "input tokens": Effect(3.43e5, 8, 12.97, float("nan")),
            "output tokens": Effect(2.78e6, 8, 104.98, float("nan")),
            "interaction": Effect(8.21e5, 64, 3.88, 1.9e-12),
        },
    }
)
"""Table 5.1 of the thesis behind arXiv 2407.04014; NaN where no p value is known to us."""


def power_of_two(tokens: FloatArray) -> IntArray:
    """Round token counts to the power of two that the grid asked for.

    Parameters
    ----------
    tokens
        Shape (n,), positive.

    Returns
    -------
    numpy.ndarray
        Shape (n,).

    Examples
    --------
    >>> power_of_two(np.array([9.0, 38.0, 231.0, 986.0])).tolist()
    [8, 32, 256, 1024]
    """
    return np.asarray(2 ** np.rint(np.log2(tokens)).astype(np.int64), dtype=np.int64)


def two_way(response: FloatArray, rows: IntArray, columns: IntArray) -> Mapping[str, Effect] | None:
    """Analyse two factors and their interaction, type II.

    Parameters
    ----------
    response
        Shape (n,).
    rows, columns
        Shape (n,), levels of the two factors.

    Returns
    -------
    Mapping or None
        Effects by `SOURCES`, then `residual`; None where no cell is repeated, so that nothing is
        left to judge the interaction by, or a factor has one level only.
    """
    row_dummies, column_dummies = _dummies(rows), _dummies(columns)
    cells = _dummies(np.unique(np.stack([rows, columns]), axis=1, return_inverse=True)[1].ravel())
    df_residual = len(response) - cells.shape[1]
    if df_residual < 1 or min(row_dummies.shape[1], column_dummies.shape[1]) < 2:
        return None
    both = np.hstack([row_dummies, column_dummies[:, 1:]])
    rss = {
        name: _residual_squares(design, response)
        for name, design in (
            ("rows", row_dummies),
            ("columns", column_dummies),
            ("both", both),
            ("full", cells),
        )
    }
    drops = (
        (rss["columns"] - rss["both"], row_dummies.shape[1] - 1),
        (rss["rows"] - rss["both"], column_dummies.shape[1] - 1),
        (rss["both"] - rss["full"], cells.shape[1] - both.shape[1]),
    )
    noise = rss["full"] / df_residual
    effects = {
        source: _effect(drop, df, noise, df_residual)
        for source, (drop, df) in zip(SOURCES, drops, strict=True)
    }
    return {**effects, "residual": Effect(rss["full"], df_residual, None, None)}


def analyse(trials: Observations) -> Mapping[str, Mapping[str, Effect]] | None:
    """Analyse the energy and the runtime of trials on a grid of powers of two.

    Parameters
    ----------
    trials
        Trials to pool.

    Returns
    -------
    Mapping or None
        Effects by quantity; None where there are no repeats.
    """
    levels = power_of_two(trials.input_tokens), power_of_two(trials.output_tokens)
    energy = two_way(trials.energy_gpu_j, *levels)
    runtime = two_way(trials.runtime_s, *levels)
    return None if energy is None or runtime is None else {"energy": energy, "runtime": runtime}


def _effect(drop: float, df: int, noise: float, df_residual: int) -> Effect:
    if df < 1:
        return Effect(drop, df, None, None)
    # Without any noise (a meter that never saw this part) there is no statistic.
    statistic = drop / df / noise if noise > 0 else math.nan
    return Effect(drop, df, statistic, float(fdtrc(df, df_residual, statistic)))


def _dummies(levels: IntArray) -> FloatArray:
    return np.asarray(levels[:, None] == np.unique(levels)[None, :], dtype=np.float64)


def _residual_squares(design: FloatArray, response: FloatArray) -> float:
    fitted = design @ np.linalg.lstsq(design, response, rcond=None)[0]
    return float(np.sum((response - fitted) ** 2))
