"""Grid points: which trials are repeats of one another.

A limit of 256 output tokens gives 231 to 256 measured ones, since generation may stop a tenth
before its limit, and an achieved concurrency wanders likewise. Trials that near are one point of
the grid: a cross-validation that set one of them apart and learned from the other would flatter
itself.
"""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray, IntArray

MIN_GROUP_SHARE = 0.9
"""Values of at least this share of the largest of their group belong to it."""


def near_groups(values: FloatArray) -> IntArray:
    """Give a number to the groups of values that lie within a tenth of their group's largest.

    Groups are cut from the largest value down, so that a dense sweep never chains into one.

    Parameters
    ----------
    values
        Shape (n,), zero or more; NaN (never recorded) is a group of its own.

    Returns
    -------
    numpy.ndarray
        Shape (n,), the group of each value, 0 for the largest.

    Examples
    --------
    >>> near_groups(np.array([231.0, 256.0, 128.0, 115.0, 8.0])).tolist()
    [0, 0, 1, 2, 3]
    """
    distinct = np.unique(values)[::-1]
    numbers = np.zeros(len(distinct), dtype=np.int64)
    top, group = np.inf, -1
    for place, value in enumerate(distinct):
        if np.isnan(value) or not value >= MIN_GROUP_SHARE * top:
            top, group = (np.inf if np.isnan(value) else value), group + 1
        numbers[place] = group
    return numbers[::-1][np.searchsorted(distinct[::-1], values)]


def grid_cells(*axes: FloatArray) -> IntArray:
    """Give a number to the grid point of each trial.

    Parameters
    ----------
    *axes
        Each of shape (n,): input tokens, output tokens, concurrency, or some of them. Groups are
        formed along the first axis, then within each of them along the next.

    Returns
    -------
    numpy.ndarray
        Shape (n,), numbers 0 to m - 1 of the m distinct points.

    Examples
    --------
    >>> grid_cells(np.array([8.0, 8.0, 16.0]), np.array([32.0, 30.0, 32.0])).tolist()
    [1, 1, 0]
    """
    cells = np.zeros(len(axes[0]), dtype=np.int64)
    for axis in axes:
        finer = np.zeros_like(cells)
        for cell in np.unique(cells):
            members = cells == cell
            finer[members] = near_groups(axis[members])
        pairs = np.stack([cells, finer], axis=1)
        cells = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return cells
