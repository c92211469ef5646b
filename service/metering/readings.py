"""Readings of joule counters, and what can go wrong with them."""

from __future__ import annotations

from dataclasses import dataclass


class MeteringError(Exception):
    """Prometheus cannot be reached, or its answer is none; one sentence."""


@dataclass(frozen=True)
class Reading:
    """A pool's counter.

    Attributes
    ----------
    at
        Unix time of the evaluation [s].
    energy_j
        Joules since the counter began.
    """

    at: float
    energy_j: float
