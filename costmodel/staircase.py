"""What a set of points of two axes dominates, in the time of one binary search a query."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from costmodel.arrays import BoolArray, FloatArray

# Up to here comparing with every step is quicker than a binary search.
_FEW_STEPS = 10


@dataclass(frozen=True, eq=False)
class Staircase:
    """The part of the plane below (upper) or above (lower) at least one point.

    Attributes
    ----------
    steps : ndarray of float64, shape (s,)
        Ascending first coordinates of the extreme points.
    limits : ndarray of float64, shape (s + 1,)
        Limit of the second coordinate between those steps; infinite where nothing is covered.
    upper : bool
        Whether a query must be below a point, or else above one.
    one_axis : bool
        Whether only the second coordinate is judged.
    """

    steps: FloatArray
    limits: FloatArray
    upper: bool
    one_axis: bool

    @classmethod
    def of(cls, first: FloatArray, second: FloatArray, *, upper: bool, one_axis: bool) -> Self:
        """Return the staircase of points, at least one, given by their coordinates, shape (m,)."""
        order = np.argsort(first, kind="stable")
        steps, limits = first[order], second[order]
        if upper:
            limits = np.append(np.maximum.accumulate(limits[::-1])[::-1], -np.inf)
            extreme = limits[:-1] > limits[1:]
            return cls(steps[extreme], np.append(limits[:-1][extreme], -np.inf), upper, one_axis)
        limits = np.append(np.inf, np.minimum.accumulate(limits))
        extreme = limits[1:] < limits[:-1]
        return cls(steps[extreme], np.append(np.inf, limits[1:][extreme]), upper, one_axis)

    def covers(self, first: FloatArray, second: FloatArray) -> BoolArray:
        """Return whether each query is covered, shape (n,); queries of nan are not.

        Parameters
        ----------
        first, second : ndarray of float64, shape (n,)
            Coordinates of the queries; `first` is not read where `one_axis`.
        """
        if self.one_axis:
            return _beyond(second, self.limits[0 if self.upper else -1], self.upper)
        if self.steps.size <= _FEW_STEPS:
            return self._beside_any_point(first, second)
        index = self.steps.searchsorted(first, side="left" if self.upper else "right")
        return _beyond(second, self.limits[index], self.upper)

    def _beside_any_point(self, first: FloatArray, second: FloatArray) -> BoolArray:
        covered = np.zeros(second.shape, dtype=np.bool_)
        limits = self.limits[:-1] if self.upper else self.limits[1:]
        for step, limit in zip(self.steps, limits, strict=True):
            covered |= _beyond(first, step, self.upper) & _beyond(second, limit, self.upper)
        return covered


def _beyond(values: FloatArray, limit: FloatArray | np.float64, upper: bool) -> BoolArray:
    return np.asarray(values <= limit if upper else values >= limit)
