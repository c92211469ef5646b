"""Bodies and answers of `/policy`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.calls.schemas.decisions import PolicyAnswer
from service.calls.schemas.fields import BodySchema, Score
from service.calls.schemas.names import PoolName

Price = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class PolicyBody(BodySchema):
    """Prices that an operator sets by hand."""

    joules_per_device_second: Annotated[
        dict[PoolName, Price],
        Field(
            max_length=1024, description="By pool of the fleet: what a device's second is worth."
        ),
    ] = Field(default_factory=dict)
    joules_per_quality_token: Annotated[
        Price, Field(description="What a token is worth for each unit of its LLM's score.")
    ] = 0.0
    min_mean_quality: Annotated[
        Score | None, Field(description="Floor that the price of quality is controlled to keep.")
    ] = None
    expires_in_seconds: Annotated[
        float | None,
        Field(gt=0, le=31_536_000, description="Then the fallback is in force; null for never."),
    ] = None


class KeptPolicy(BodySchema):
    """A policy as it is kept over a restart; see `service.decisions.policy.Policy`."""

    source: Literal["plan", "forecast", "weights"]
    joules_per_device_second: dict[str, float]
    joules_per_quality_token: float
    min_mean_quality: float | None
    made_at: float | None
    expires_at: float | None
    plan_id: str | None


class PolicyInForce(PolicyAnswer):
    """The policy that decisions rest on."""

    joules_per_device_second: dict[str, float]
    joules_per_quality_token: float
    min_mean_quality: float | None
    quality_price_in_force: Annotated[
        float, Field(description="The price of quality as it is controlled now.")
    ]
