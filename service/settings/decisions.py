"""What single decisions go by, and what is metered of them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from service.settings.texts import Url


class DecisionSettings(BaseModel):
    """What single decisions go by, and what is metered of them."""

    policy_seconds: Annotated[
        float,
        Field(gt=0, le=604_800, description="How long a published plan's prices are in force [s]."),
    ] = 3600.0
    forecast_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=86_400,
            description="How often the traffic of the last quarter of an hour is planned as that "
            "to come, for its prices [s]; 0 for never.",
        ),
    ] = 120.0
    min_mean_quality: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Floor on the mean quality of plans of forecast traffic, and of decisions "
            "without a policy.",
        ),
    ] = None
    metering_url: Annotated[
        Url | None,
        Field(
            description="Prometheus that knows the devices' joules; none is asked where unset.",
        ),
    ] = None
    metering_query: Annotated[
        str | None,
        Field(
            min_length=1,
            description="PromQL of counters of joules, one or several for each pool of the fleet.",
        ),
    ] = None
    metering_label: Annotated[
        str, Field(min_length=1, description="Of these series, that names the pool.")
    ] = "pool"
    metering_seconds: Annotated[
        float, Field(gt=0, le=3600, description="How often it is asked [s].")
    ] = 30.0
    metering_delay_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=86_400,
            description="How long to wait for the actuals of what ran before joules are given out "
            "[s]: longer than a request takes.",
        ),
    ] = 300.0

    @model_validator(mode="after")
    def _metering_is_whole(self) -> Self:
        if (self.metering_url is None) != (self.metering_query is None):
            raise ValueError(
                "Expected both of JOULEPLAN_METERING_URL and JOULEPLAN_METERING_QUERY, or neither."
            )
        return self
