"""What single decisions go by, and what is metered of them."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, model_validator

from service.settings.texts import Url


class DecisionSettings(BaseModel):
    """What single decisions go by, and what is metered of them."""

    policy_seconds: float = Field(
        default=3600.0,
        gt=0,
        le=604_800,
        description="How long a published plan's prices are in force [s].",
    )
    forecast_seconds: float = Field(
        default=120.0,
        ge=0,
        le=86_400,
        description="How often the traffic of the last quarter of an hour is planned as that "
        "to come, for its prices [s]; 0 for never.",
    )
    min_mean_quality: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Floor on the mean quality of plans of forecast traffic, and of decisions "
        "without a policy.",
    )
    metering_url: Url | None = Field(
        default=None,
        description="Prometheus that knows the devices' joules; none is asked where unset.",
    )
    metering_query: str | None = Field(
        default=None,
        min_length=1,
        description="PromQL of counters of joules, one or several for each pool of the fleet.",
    )
    metering_label: str = Field(
        default="pool", min_length=1, description="Of these series, that names the pool."
    )
    metering_seconds: float = Field(
        default=30.0, gt=0, le=3600, description="How often it is asked [s]."
    )
    metering_delay_seconds: float = Field(
        default=300.0,
        ge=0,
        le=86_400,
        description="How long to wait for the actuals of what ran before joules are given out "
        "[s]: longer than a request takes.",
    )

    @model_validator(mode="after")
    def _metering_is_whole(self) -> Self:
        if (self.metering_url is None) != (self.metering_query is None):
            raise ValueError(
                "Expected both of JOULEPLAN_METERING_URL and JOULEPLAN_METERING_QUERY, or neither."
            )
        return self
