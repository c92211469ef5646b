"""The names that requests admit, LLMs or pools: a million requests, a handful of distinct lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import BoolArray, IntArray

Names = tuple[str, ...] | None
"""The names that a request admits; None for any."""


@dataclass(frozen=True, eq=False)
class AllowedNames:
    """The names that each of n requests admits: codes, shape (n,), into distinct lists of names.

    Examples
    --------
    >>> choices = AllowedNames.of([["a"], None, ["b", "a"], ["a"]])
    >>> choices.distinct
    (('a',), None, ('b', 'a'))
    >>> choices.mask(["a", "b"]).astype(int).tolist()
    [[1, 0], [1, 1], [1, 1], [1, 0]]
    """

    codes: IntArray
    distinct: tuple[Names, ...]

    @classmethod
    def of(cls, lists: Sequence[Iterable[str] | None]) -> AllowedNames:
        """Group lists that are the same, in order and all; TypeError where one cannot be hashed."""
        seen: dict[Names, int] = {}
        codes = (seen.setdefault(None if e is None else tuple(e), len(seen)) for e in lists)
        return cls(np.fromiter(codes, np.int64, len(lists)), tuple(seen))

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def given(self) -> BoolArray:
        """Whether each request names any, shape (n,)."""
        table = np.array([names is not None for names in self.distinct], dtype=bool)
        return np.asarray(table[self.codes])

    def mask(self, names: Sequence[str]) -> BoolArray:
        """Return whether each request admits each name of k, shape (n, k)."""
        rows = [[entry is None or name in entry for name in names] for entry in self.distinct]
        return np.asarray(np.array(rows, dtype=bool)[self.codes])

    def naming_others_than(self, known: Iterable[str]) -> IntArray:
        """Return the requests that name what is not known, in order."""
        allowed = set(known)
        strange = [not allowed.issuperset(entry or ()) for entry in self.distinct]
        return np.flatnonzero(np.array(strange, dtype=bool)[self.codes])
