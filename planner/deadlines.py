"""The distinct deadlines of a batch: a million requests may have one, or one each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Deadlines:
    """Distinct deadlines, and which one each request has.

    `distinct_s`, (D,), rise, in seconds from the plan's start, inf for none. `rank`, (n,), is the
    position of each request's deadline among them, in two bytes where these do.
    """

    distinct_s: FloatArray
    rank: IntArray

    @classmethod
    def of(cls, deadline_s: FloatArray) -> Deadlines:
        """Return those of some requests, shape (n,).

        Examples
        --------
        >>> found = Deadlines.of(np.array([9.0, 5.0, 9.0]))
        >>> found.distinct_s, found.rank.tolist(), found.count
        (array([5., 9.]), [1, 0, 1], 2)
        """
        distinct_s = np.unique(deadline_s)
        narrow = np.uint16 if len(distinct_s) < 2**16 else np.int64
        return cls(distinct_s, np.searchsorted(distinct_s, deadline_s).astype(narrow))

    @property
    def count(self) -> int:
        """Number of distinct deadlines."""
        return len(self.distinct_s)
