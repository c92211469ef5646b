"""How far measurements lie from predictions, for each (LLM, device), and what is made of it.

Ratios are taken in logarithms, with old ones forgotten: a weight falls to a third over `MEMORY`
observations. A correction is applied only where enough was seen, the mean ratio is far from one by
its own standard error, and it matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp, log, sqrt

MEMORY = 500.0
"""Observations after which one counts a third."""
LEAST = 50
"""Observations from which a correction may be applied."""
ERRORS = 3.0
"""Standard errors that the mean must lie from no bias."""
MATTERS = log(1.05)
"""A bias below 5 % is left alone: separate runs of the same thing differ by that."""
LARGEST = log(3.0)
"""No correction is larger; what is off by more is not understood."""
RECENT = 50.0
DRIFTED = log(1.15)
"""A recent mean further than this from what is applied is drift."""

ENERGY, RUNTIME = "energy", "runtime"


@dataclass
class Ratios:
    """Measured over predicted, one quantity of one pair.

    Attributes
    ----------
    seen
        Observations, none forgotten.
    """

    seen: int = 0
    _weight: float = 0.0
    _mean: float = 0.0
    _square: float = 0.0
    _recent: float = 0.0

    def add(self, ratio: float) -> None:
        """Take in one ratio, above 0."""
        value, keep = log(ratio), exp(-1.0 / MEMORY)
        self.seen += 1
        self._weight = self._weight * keep + 1.0
        apart = value - self._mean
        self._mean += apart / self._weight
        self._square = self._square * keep + apart * (value - self._mean)
        share = max(1.0 / self.seen, 1.0 / RECENT)
        self._recent += share * (value - self._recent)

    @property
    def mean(self) -> float:
        """Mean ratio, geometric."""
        return exp(self._mean)

    @property
    def recent(self) -> float:
        """Mean ratio of the last fifty or so."""
        return exp(self._recent)

    @property
    def factor(self) -> float:
        """What predictions are multiplied by: 1 until the evidence suffices."""
        if self.seen < LEAST or abs(self._mean) < MATTERS:
            return 1.0
        error = sqrt(max(0.0, self._square / self._weight) / self._weight)
        if abs(self._mean) < ERRORS * error:
            return 1.0
        return exp(max(-LARGEST, min(LARGEST, self._mean)))

    @property
    def drifted(self) -> bool:
        """Whether recent ratios lie far from what is applied."""
        return self.seen >= LEAST and abs(self._recent - log(self.factor)) > DRIFTED


@dataclass
class Evidence:
    """Ratios of all pairs.

    Attributes
    ----------
    pairs
        By LLM, device and quantity.
    """

    pairs: dict[tuple[str, str, str], Ratios] = field(default_factory=dict)

    def add(self, llm: str, device: str, quantity: str, measured: float, predicted: float) -> None:
        """Take in one measurement; what is not positive says nothing."""
        if measured > 0.0 and predicted > 0.0:
            self.pairs.setdefault((llm, device, quantity), Ratios()).add(measured / predicted)

    def factor(self, llm: str, device: str, quantity: str) -> float:
        """Return what predictions of a pair are multiplied by."""
        found = self.pairs.get((llm, device, quantity))
        return 1.0 if found is None else found.factor

    def __iter__(self) -> Iterator[tuple[tuple[str, str, str], Ratios]]:
        """Walk over all pairs and quantities, in order."""
        return iter(sorted(self.pairs.items()))
