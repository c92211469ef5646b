"""Metered joules of devices, apportioned over the requests that ran there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]


class MeteringError(Exception):
    """Joules cannot be read: no answer, or none of the kind that is expected; one sentence."""


@dataclass(frozen=True)
class Reading:
    """The joule counters of a pool, by their labels, at a Unix time [s]."""

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
