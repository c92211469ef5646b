"""What a policy adds to joules: prices of a pool's device-seconds and of quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FALLBACK, PLAN = "fallback", "plan"


@dataclass(frozen=True)
class Policy:
    """Prices that make single decisions approach a plan's optimum.

    Attributes
    ----------
    source
        ``plan``, ``forecast``, ``weights`` or ``fallback``.
    joules_per_device_second
        By pool: what a second of one of its devices is worth beyond the joules that it takes.
    joules_per_quality_token
        What a token is worth for each unit of its LLM's score.
    made_at, expires_at
        Unix time [s]; None of the fallback, which is always there.
    plan_id
        Of the plan that it came from.
    """

    source: str = FALLBACK
    joules_per_device_second: Mapping[str, float] = field(default_factory=dict)
    joules_per_quality_token: float = 0.0
    made_at: float | None = None
    expires_at: float | None = None
    plan_id: str | None = None

    def expired(self, now: float) -> bool:
        """Say whether it is too old to be used."""
        return self.expires_at is not None and now >= self.expires_at


LEAST_JOULES = Policy()
"""Least joules that meet the deadline: used where no policy is, or the last one has expired."""
