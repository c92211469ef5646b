"""What a policy adds to joules: prices of a pool's device-seconds and of quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.calls.messages import PublishedPrices

FALLBACK, PLAN, FORECAST, WEIGHTS = "fallback", "plan", "forecast", "weights"
FORECAST_PREFIX = "forecast-"
"""Begins the names of plans that the service makes of the traffic it has seen."""


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
    min_mean_quality
        Floor on the token-weighted mean quality, which the price is controlled to keep; None for
        none.
    made_at, expires_at
        Unix time [s]; None for the fallback, which is always there.
    plan_id
        Name of the plan that it came from.
    """

    source: str = FALLBACK
    joules_per_device_second: Mapping[str, float] = field(default_factory=dict)
    joules_per_quality_token: float = 0.0
    min_mean_quality: float | None = None
    made_at: float | None = None
    expires_at: float | None = None
    plan_id: str | None = None

    def expired(self, now: float) -> bool:
        """Say whether it is too old to be used."""
        return self.expires_at is not None and now >= self.expires_at


LEAST_ENERGY = Policy()
"""Least joules that meet the deadline: used where no policy is, or the last one has expired."""


def policy_of(prices: PublishedPrices, now: float, lifetime_s: float) -> Policy:
    """Return the policy that a published plan makes at a Unix time [s], for a lifetime [s]."""
    return Policy(
        source=FORECAST if prices.plan_id.startswith(FORECAST_PREFIX) else PLAN,
        joules_per_device_second=dict(prices.joules_per_device_second),
        joules_per_quality_token=prices.joules_per_quality_token,
        min_mean_quality=prices.min_mean_quality,
        made_at=now,
        expires_at=now + lifetime_s,
        plan_id=prices.plan_id,
    )
