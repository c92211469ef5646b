"""Lengths of the prompts of calls that hold several, as the sums that costs are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class PromptLengths:
    """What is known of the prompts of n requests, each of one prompt or several.

    No function of the tokens that features are made of has a higher power of the input tokens
    than the second, so their count, their sum and the sum of their squares say what all of them
    cost; whether each of them fits, and was profiled, the longest and the shortest say.

    Attributes
    ----------
    counts : ndarray of int64, shape (n,)
        Prompts of each request, at least 1.
    totals : ndarray of int64, shape (n,)
        Tokens of its prompts together.
    squares : ndarray of float64, shape (n,)
        Sum of the squares of their tokens.
    shortest, longest : ndarray of int64, shape (n,)
        Tokens of the shortest and of the longest of them.
    """

    counts: IntArray
    totals: IntArray
    squares: FloatArray
    shortest: IntArray
    longest: IntArray

    @classmethod
    def of(cls, lengths: IntArray, counts: IntArray) -> PromptLengths:
        """Return the sums of prompts.

        Parameters
        ----------
        lengths : ndarray of int64, shape (m,)
            Tokens of all prompts, those of one request side by side.
        counts : ndarray of int64, shape (n,)
            How many of them each request has, at least 1, m together.

        Examples
        --------
        >>> found = PromptLengths.of(np.array([3, 5, 7]), np.array([2, 1]))
        >>> found.totals.tolist(), found.squares.tolist(), found.longest.tolist()
        ([8, 7], [34.0, 49.0], [5, 7])
        """
        starts = np.cumsum(counts) - counts
        return cls(
            counts,
            np.add.reduceat(lengths, starts),
            np.add.reduceat(lengths.astype(np.float64) ** 2, starts),
            np.minimum.reduceat(lengths, starts),
            np.maximum.reduceat(lengths, starts),
        )

    def __len__(self) -> int:
        return self.counts.size

    def take(self, indices: IntArray | slice) -> PromptLengths:
        """Return the prompts of some requests."""
        return PromptLengths(
            self.counts[indices],
            self.totals[indices],
            self.squares[indices],
            self.shortest[indices],
            self.longest[indices],
        )

    def pair(self) -> tuple[FloatArray, FloatArray]:
        """Return two lengths that stand for all prompts of each request, shape (n,) each.

        Their mean less and plus their standard deviation: as many prompts, half of them of either
        length, have the same sums. The lower may be below 0.
        """
        mean = self.totals / self.counts
        deviation = np.sqrt(np.maximum(0.0, self.squares / self.counts - mean * mean))
        return mean - deviation, mean + deviation
