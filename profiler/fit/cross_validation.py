"""Folds by grid point, and what fits on the other folds predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from profiler.fit.training import QUANTITIES, TrainingSet, fit_control, fit_cost_model

FOLDS = 5
SPLITS = 10
LARGEST_LEVEL_SHARE = 0.7
"""Values above this share of an axis' largest are its largest level: grids go in factors of two,
and a limit is met to within a quarter."""

_INNER_SEED = 1000

Predicted = dict[str, FloatArray]
"""By quantity, shape (n,): joules per request and runtime [s]."""
Fit = Callable[[TrainingSet, str, BoolArray], FloatArray]


def seeded_folds(cell: IntArray, folds: int, seed: int) -> IntArray:
    """Assign grid points to folds; repeats of a point stay together.

    Parameters
    ----------
    cell
        Shape (n,), the grid point of each trial.
    folds
        2 or more.
    seed
        Seed of the shuffle.

    Returns
    -------
    numpy.ndarray
        Shape (n,), 0 to folds - 1.

    Examples
    --------
    >>> fold = seeded_folds(np.array([3, 3, 5, 7]), folds=3, seed=0)
    >>> bool(fold[0] == fold[1]), sorted(set(fold.tolist()))
    (True, [0, 1, 2])
    """
    points, index = np.unique(cell, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(points))
    fold = np.empty(len(points), dtype=np.int64)
    fold[order] = np.arange(len(points)) % folds
    return fold[index.reshape(-1)]


def fold_count(data: TrainingSet) -> int:
    """Return the folds of a split: five, or a fold a point where points are few or are batches."""
    return min(FOLDS, data.distinct_points) if data.basis.needs_input else data.distinct_points


def splits(data: TrainingSet) -> list[IntArray]:
    """Make the splits that errors are means of.

    Parameters
    ----------
    data
        n trials.

    Returns
    -------
    list of numpy.ndarray
        Shape (n,) each. Ten seeded ones; where input lengths were never recorded, the one that
        leaves out each batch size in turn.
    """
    if not data.basis.needs_input:
        return [data.cell]
    count = fold_count(data)
    return [seeded_folds(data.cell, count, seed) for seed in range(SPLITS)]


def predict(
    data: TrainingSet, learn: BoolArray, asked: BoolArray, fit: Fit = fit_cost_model
) -> Predicted:
    """Predict some trials from a fit on others.

    Parameters
    ----------
    data
        n trials.
    learn, asked
        Shape (n,): the trials to learn from, and those to predict.
    fit
        `fit_cost_model` or `fit_control`.

    Returns
    -------
    dict
        By quantity, shape (n,), NaN where not asked.
    """
    features = data.control_features if fit is fit_control else data.features
    predicted = {}
    for quantity in QUANTITIES:
        values = np.full(len(data), np.nan)
        scale = data.targets[quantity].scale[asked]
        values[asked] = features[asked] @ fit(data, quantity, learn) * scale
        predicted[quantity] = values
    return predicted


def out_of_fold(
    data: TrainingSet, fold: IntArray, among: BoolArray, fit: Fit = fit_cost_model
) -> Predicted:
    """Predict each trial from a fit on the folds that it is not in.

    Parameters
    ----------
    data
        n trials.
    fold
        Shape (n,).
    among
        Shape (n,), the trials that take part; the others are neither learnt from nor predicted.
    fit
        `fit_cost_model` or `fit_control`.

    Returns
    -------
    dict
        By quantity, shape (n,), NaN for trials that take no part.
    """
    predicted = {quantity: np.full(len(data), np.nan) for quantity in QUANTITIES}
    for number in np.unique(fold[among]):
        asked = among & (fold == number)
        for quantity, values in predict(data, among & ~asked, asked, fit).items():
            predicted[quantity][asked] = values[asked]
    return predicted


def nested(data: TrainingSet, fold: IntArray) -> Iterator[tuple[BoolArray, Predicted, Predicted]]:
    """Walk over the folds of a split with what their training folds say of themselves.

    Parameters
    ----------
    data
        n trials.
    fold
        Shape (n,).

    Yields
    ------
    tuple
        The held-out trials (n,), their predictions, and the training trials' predictions from inner
        folds of the training folds alone, NaN for the others.
    """
    for number in np.unique(fold):
        asked = fold == number
        learn = ~asked
        inner = data.cell
        if data.basis.needs_input:
            inner = np.full(len(data), -1)
            inner[learn] = seeded_folds(data.cell[learn], FOLDS, _INNER_SEED + int(number))
        yield asked, predict(data, learn, asked), out_of_fold(data, inner, learn)


def largest_level(values: FloatArray) -> BoolArray | None:
    """Find the trials at the largest level of an axis.

    Parameters
    ----------
    values
        Shape (n,), zero or more, or NaN.

    Returns
    -------
    numpy.ndarray or None
        Shape (n,); None where the axis was not recorded or has only that level.
    """
    if np.isnan(values).any():
        return None
    top = values > LARGEST_LEVEL_SHARE * values.max()
    return None if top.all() else top
