"""Lengths of answers that are known as distributions, by their quantiles.

Between quantiles the logarithm of the tokens is linear in the standard normal score of the
probability, so that two quantiles make a log-normal. The outermost pieces go on beyond the
outermost quantiles, down to 1 token and up to `MAX_TOKENS`, and are cut at the 0.1st and the
99.9th percentile, where the remaining probability sits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from costmodel.arrays import FloatArray, IntArray
from costmodel.errors import InvalidCostModelError

TAIL = 0.001
"""Probability that sits at either end of a distribution."""
MAX_TOKENS = 1e7
_LARGEST_SCORE = NormalDist().inv_cdf(1.0 - TAIL)
_NODES = 8
"""Gauss-Legendre nodes in each piece; exponentials of lines are then exact to rounding."""


@dataclass(frozen=True, eq=False)
class OutputLengths:
    """Independent distributions of the output tokens of n requests.

    Attributes
    ----------
    scores : ndarray of float64, shape (g,)
        Standard normal scores, rising, the first and last at `TAIL` from 0 and 1.
    log_tokens : ndarray of float64, shape (n, g)
        Logarithm of each request's tokens at those scores, linear between them, not falling.
    """

    scores: FloatArray
    log_tokens: FloatArray

    @classmethod
    def from_quantiles(cls, quantiles: Mapping[float, npt.ArrayLike]) -> OutputLengths:
        """Return the distributions that pass through quantiles.

        Parameters
        ----------
        quantiles : mapping of float to array_like of shape (n,)
            By probability, above `TAIL` and below 1 - `TAIL`, two or more: tokens, 1 to
            `MAX_TOKENS`, that do not fall as the probability rises.

        Raises
        ------
        InvalidCostModelError
            If there are fewer quantiles than that, or one is out of range or below the one before.

        Examples
        --------
        >>> lengths = OutputLengths.from_quantiles({0.5: [100.0], 0.9: [400.0]})
        >>> lengths.quantile(0.5).round(6).tolist(), lengths.quantile(0.9).round(6).tolist()
        ([100.0], [400.0])
        """
        probabilities = sorted(quantiles)
        if len(probabilities) < 2 or not TAIL < probabilities[0] <= probabilities[-1] < 1 - TAIL:
            msg = f"Expected two quantiles or more between {TAIL} and {1 - TAIL}, got {quantiles}."
            raise InvalidCostModelError(msg)
        tokens = np.stack([np.asarray(quantiles[p], dtype=np.float64) for p in probabilities], 1)
        if not np.all((tokens >= 1.0) & (tokens <= MAX_TOKENS)) or (np.diff(tokens) < 0).any():
            msg = f"Expected quantiles from 1 to {MAX_TOKENS:g} tokens that do not fall."
            raise InvalidCostModelError(msg)
        scores = np.array([NormalDist().inv_cdf(p) for p in probabilities])
        return cls(*_with_tails(scores, np.log(tokens)))

    @classmethod
    def merge(
        cls, parts: Sequence[tuple[IntArray, OutputLengths]], tokens: IntArray
    ) -> OutputLengths:
        """Return the distributions of n requests out of parts; the others are certain.

        Parameters
        ----------
        parts
            Indices, and the distributions of the requests at them.
        tokens : ndarray of int64, shape (n,)
            What the others take, at least 1.
        """
        scores = np.unique(np.concatenate([part.scores for _, part in parts]))
        logs = np.repeat(np.log(tokens.astype(np.float64))[:, None], scores.size, axis=1)
        for indices, part in parts:
            logs[indices] = part._log_at(scores)
        return cls(scores, logs)

    def __len__(self) -> int:
        return int(self.log_tokens.shape[0])

    def take(self, indices: IntArray | slice) -> OutputLengths:
        """Return the distributions of some requests."""
        return OutputLengths(self.scores, self.log_tokens[indices])

    def quantile(self, probability: float) -> FloatArray:
        """Return the quantile of each request at a probability in (0, 1), shape (n,)."""
        score = NormalDist().inv_cdf(probability)
        return self.at_scores(np.full((len(self), 1), score))[:, 0]

    def at_scores(self, scores: FloatArray) -> FloatArray:
        """Return the tokens of each request at standard normal scores, both of shape (n, s).

        Normal draws give draws of the lengths.
        """
        cut = np.clip(scores, -_LARGEST_SCORE, _LARGEST_SCORE)
        piece = np.searchsorted(self.scores[1:-1], cut, side="right")
        rows = np.arange(len(self))[:, None]
        found = self._slopes[rows, piece]
        found *= cut - self.scores[piece]
        found += self.log_tokens[rows, piece]
        return np.exp(found, out=found)

    @property
    def certain(self) -> npt.NDArray[np.bool_]:
        """Whether each request's length is known without spread, shape (n,)."""
        return np.asarray(self.log_tokens[:, 0] == self.log_tokens[:, -1])

    @cached_property
    def nodes(self) -> tuple[FloatArray, FloatArray]:
        """Scores and weights that give the mean of a smooth function of the tokens, (q,) each."""
        roots, weights = np.polynomial.legendre.leggauss(_NODES)
        half = 0.5 * np.diff(self.scores)[:, None]
        inner = self.scores[:-1, None] + half * (1.0 + roots[None, :])
        density = np.exp(-0.5 * inner**2) / math.sqrt(2.0 * math.pi)
        ends = self.scores[[0, -1]]
        scores = np.concatenate([inner.ravel(), ends])
        return scores, np.concatenate([(half * weights * density).ravel(), [TAIL, TAIL]])

    @cached_property
    def moments(self) -> FloatArray:
        """Means of the tokens, of their squares and of their cubes, shape (n, 3)."""
        total = np.zeros((len(self), 3))
        for score, weight in zip(*self.nodes, strict=True):
            tokens = np.exp(self._log_at(np.array([score]))[:, 0])
            power = weight * tokens
            for column in range(3):
                total[:, column] += power
                power *= tokens
        exact = np.exp(self.log_tokens[self.certain, 0]).round(9)
        total[self.certain] = np.stack([exact, exact**2, exact**3], axis=1)
        return total

    @cached_property
    def _slopes(self) -> FloatArray:
        return np.diff(self.log_tokens, axis=1) / np.diff(self.scores)[None, :]

    def _log_at(self, scores: FloatArray) -> FloatArray:
        piece = np.searchsorted(self.scores[1:-1], scores, side="right")
        along = (scores - self.scores[piece])[None, :]
        return self.log_tokens[:, piece] + along * self._slopes[:, piece]


def _with_tails(scores: FloatArray, logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Go on with the outermost slopes to the cuts, and keep within 1 and the most tokens."""
    first = (logs[:, 1] - logs[:, 0]) / (scores[1] - scores[0])
    last = (logs[:, -1] - logs[:, -2]) / (scores[-1] - scores[-2])
    low = np.maximum(0.0, logs[:, 0] - first * (scores[0] + _LARGEST_SCORE))
    high = logs[:, -1] + last * (_LARGEST_SCORE - scores[-1])
    high = np.minimum(math.log(MAX_TOKENS), high)
    ends = np.array([-_LARGEST_SCORE, *scores, _LARGEST_SCORE])
    return ends, np.concatenate([low[:, None], logs, high[:, None]], axis=1)
