"""Integral control of the price of quality, which keeps the mean quality of decisions at a floor.

A plan's price of quality is right for the requests that it was made of. Those that come differ, so
what was decided below the floor raises the price and what was decided above it lowers it: the
integral part of a controller, or dual ascent on the floor's constraint.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from service.decisions.policy import Policy

GAIN = 1000.0
"""Mean joules per token that the price rises by for each unit of mean quality that is missing over
the last `MEMORY_DECISIONS` decisions."""
MEMORY_DECISIONS = 1000.0
MAX_SHORTFALL = 0.05
"""Shortfall of the mean over as many decisions that is made good for; more is forgotten, as where
no LLM of the candidates could have kept the floor."""
_KEEP = exp(-1.0 / MEMORY_DECISIONS)


@dataclass
class QualityPriceController:
    """The shortfall of quality so far, and the price that makes good for it.

    Attributes
    ----------
    floor
        Floor of the policy that the shortfall is counted from.
    shortfall
        Sum over decisions of tokens times (floor - score).
    decisions, tokens, energy_j
        Sums over the decisions, old ones forgotten.
    """

    floor: float | None = None
    shortfall: float = 0.0
    decisions: float = 0.0
    tokens: float = 0.0
    energy_j: float = 0.0

    def price(self, policy: Policy) -> float:
        """Return joules per token and unit of score, at least 0."""
        price = policy.joules_per_quality_token
        if policy.min_mean_quality is None or policy.min_mean_quality != self.floor:
            return price
        mean_j, mean_tokens = self.energy_j / self.tokens, self.tokens / self.decisions
        missing = self.shortfall / (MEMORY_DECISIONS * mean_tokens)
        return max(0.0, price + GAIN * mean_j * missing)

    def add(self, policy: Policy, tokens: float, score: float | None, energy_j: float) -> None:
        """Count a decision, by its tokens, the score of its LLM and its joules."""
        if policy.min_mean_quality is None or score is None:
            return
        if policy.min_mean_quality != self.floor:
            # What was missing of another floor is not owed to this one.
            self.floor, self.shortfall = policy.min_mean_quality, 0.0
        self.decisions = self.decisions * _KEEP + 1.0
        self.tokens = self.tokens * _KEEP + tokens
        self.energy_j = self.energy_j * _KEEP + energy_j
        maximum = MAX_SHORTFALL * MEMORY_DECISIONS * self.tokens / self.decisions
        shortfall = self.shortfall + tokens * (policy.min_mean_quality - score)
        self.shortfall = max(-maximum, min(maximum, shortfall))
