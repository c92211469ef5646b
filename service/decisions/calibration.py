"""The bias of predictions, for each (LLM, device), and the correction that follows from it.

Ratios are taken in logarithms, with old ones forgotten: a weight falls to a third over
`MEMORY_OBSERVATIONS`. A correction is applied only where enough was seen, the mean ratio is far
from one by its own standard error, and it matters. It is one cost model's: of another's predictions
it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import NamedTuple

MEMORY_OBSERVATIONS = 500.0
"""Observations after which one counts a third."""
MIN_ACTUALS = 50
"""Observations from which a correction may be applied."""
STANDARD_ERRORS = 3.0
"""Standard errors that the mean must lie from no bias."""
MIN_LOG_BIAS = log(1.05)
"""A bias below 5 % is left alone: separate runs of the same thing differ by that."""
MAX_LOG_BIAS = log(3.0)
"""No correction is larger; what is off by more is not understood."""
RECENT_OBSERVATIONS = 50.0
LOG_DRIFT = log(1.15)
"""A recent mean further than this from what is applied is drift."""

_KEEP = exp(-1.0 / MEMORY_OBSERVATIONS)

ENERGY, RUNTIME = "energy", "runtime"


@dataclass
class BiasEstimator:
    """The bias of predictions of one quantity, estimated by ratios of measured to predicted.

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
        """Learn of one ratio, above 0."""
        value = log(ratio)
        self.seen += 1
        self._weight = self._weight * _KEEP + 1.0
        apart = value - self._mean
        self._mean += apart / self._weight
        self._square = self._square * _KEEP + apart * (value - self._mean)
        share = max(1.0 / self.seen, 1.0 / RECENT_OBSERVATIONS)
        self._recent += share * (value - self._recent)

    @property
    def mean(self) -> float:
        """Geometric mean of the ratios."""
        return exp(self._mean)

    @property
    def recent(self) -> float:
        """Geometric mean of the last fifty ratios or so."""
        return exp(self._recent)

    @property
    def factor(self) -> float:
        """Correction by which predictions are multiplied: 1 until enough is known."""
        if self.seen < MIN_ACTUALS or abs(self._mean) < MIN_LOG_BIAS:
            return 1.0
        error = sqrt(max(0.0, self._square / self._weight) / self._weight)
        if abs(self._mean) < STANDARD_ERRORS * error:
            return 1.0
        return exp(max(-MAX_LOG_BIAS, min(MAX_LOG_BIAS, self._mean)))

    @property
    def drifted(self) -> bool:
        """Whether recent ratios lie far from the correction."""
        return self.seen >= MIN_ACTUALS and abs(self._recent - log(self.factor)) > LOG_DRIFT


class BiasKey(NamedTuple):
    """One quantity, `ENERGY` or `RUNTIME`, that a cost model predicts of an LLM on a device."""

    llm: str
    device: str
    cost_model: str
    quantity: str


class Calibration:
    """Bias estimators of all pairs, of which those of the fleet are applied and shown.

    Before a fleet is known, all that comes is kept. Of a pair that leaves the fleet the ratios
    wait for its return; where it has another cost model then, they are gone.

    Attributes
    ----------
    pairs
        All estimators, those that wait too.
    """

    def __init__(self) -> None:
        self.pairs: dict[BiasKey, BiasEstimator] = {}
        self._fleet: Mapping[tuple[str, str], str] = {}

    def load(self, fleet: Mapping[tuple[str, str], str]) -> None:
        """Go by other cost models from now on, given by the identity of each LLM's and device's."""
        self._fleet = fleet
        self.pairs = {key: one for key, one in self.pairs.items() if self._fits(key)}

    def add(self, key: BiasKey, measured: float, predicted: float) -> None:
        """Learn of one measurement, unless it is not positive, or of a former cost model."""
        if measured > 0.0 and predicted > 0.0 and self._fits(key):
            found = self.pairs.get(key)
            if found is None:
                found = self.pairs[key] = BiasEstimator()
            found.add(measured / predicted)

    def factor(self, llm: str, device: str, quantity: str) -> float:
        """Return the correction by which predictions of a pair of the fleet are multiplied."""
        found = self.pairs.get(BiasKey(llm, device, self._fleet.get((llm, device), ""), quantity))
        return 1.0 if found is None else found.factor

    def __iter__(self) -> Iterator[tuple[BiasKey, BiasEstimator]]:
        """Iterate over the estimators of the fleet's pairs, by their keys."""
        known = sorted(self.pairs.items(), key=lambda item: item[0])
        return ((key, one) for key, one in known if (key.llm, key.device) in self._fleet)

    def _fits(self, key: BiasKey) -> bool:
        return self._fleet.get((key.llm, key.device), key.cost_model) == key.cost_model
