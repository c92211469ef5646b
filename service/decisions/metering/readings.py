"""Readings of joule counters, and what can go wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]


class MeteringError(Exception):
    """Prometheus cannot be reached, or its answer is none; one sentence."""


@dataclass(frozen=True)
class Reading:
    """A pool's counters.

    Attributes
    ----------
    at
        Unix time of the evaluation [s].
    energy_j
        Joules since each counter began, by its labels.
    """

    at: float
    energy_j: Mapping[Labels, float] = field(default_factory=dict)

    def since(self, before: Reading) -> float | None:
        """Return the joules since an earlier reading.

        None where a counter came, went or fell: what was taken meanwhile is not known.
        """
        if self.energy_j.keys() != before.energy_j.keys():
            return None
        taken = [joules - before.energy_j[labels] for labels, joules in self.energy_j.items()]
        return None if min(taken) < 0.0 else sum(taken)
