"""The fleet: pools of devices, the LLMs on them and what is known about both."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from service.calls.schemas.fields import (
    MAX_CONCURRENCY,
    MAX_DEVICES,
    MAX_JOULES,
    MAX_SECONDS,
    MAX_TOKENS,
    WHOLE,
    BodySchema,
    Grams,
    Price,
    Score,
    Seconds,
    Watts,
)
from service.calls.schemas.names import ByLlm, DeviceName, LlmName, PoolName, WrittenName

Concurrency = Annotated[int, Field(ge=1, le=MAX_CONCURRENCY), WHOLE]


class PoolSpec(BodySchema):
    """`count` equal devices that are interchangeable."""

    name: PoolName
    device: DeviceName
    count: Annotated[int, Field(ge=1, le=MAX_DEVICES, description="Number of devices."), WHOLE] = 1
    llms: Annotated[
        list[LlmName],
        Field(min_length=1, max_length=256, description="LLMs that its devices may run."),
    ]
    concurrency: Annotated[
        list[Concurrency],
        Field(
            min_length=1,
            max_length=64,
            description="Numbers of requests that may share a device at once; each is a placement "
            "for each LLM, and none may exceed the largest profiled one.",
        ),
    ]
    idle_watts: Annotated[
        Watts | None,
        Field(
            description="Power of a whole device that is on and serves nothing [W]; null where it "
            "was not measured: idle energy is then left out, with a warning."
        ),
    ] = None
    resident: Annotated[
        list[LlmName],
        Field(
            max_length=256,
            description="LLMs that are loaded on every device of the pool and stay; an LLM whose "
            "load was not measured can be used only where it is resident.",
        ),
    ] = Field(default_factory=list)
    power_policy: Annotated[
        Literal["power_down", "always_on"],
        Field(
            description="`power_down`: a used device is on until its last request, an unused one "
            "costs nothing. `always_on`: every device is on until the horizon."
        ),
    ] = "power_down"
    available_seconds: Annotated[
        Seconds | None, Field(description="Seconds for which the pool can be had; null for ever.")
    ] = None
    activation_joules: Annotated[
        float,
        Field(
            ge=0,
            le=MAX_JOULES,
            description="Joules of switching on a device that the plan uses, once; only where the "
            "pool powers down.",
        ),
    ] = 0.0
    activation_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=MAX_SECONDS,
            description="Seconds that it takes before its first load or request; only where the "
            "pool powers down.",
        ),
    ] = 0.0
    carbon_g_per_kwh: Annotated[
        Grams | None,
        Field(description="Carbon dioxide of a kilowatt-hour there [g]; null where not known."),
    ] = None
    price_per_kwh: Annotated[
        Price | None, Field(description="Money for a kilowatt-hour; null where there is no price.")
    ] = None
    price_per_device_hour: Annotated[
        Price | None,
        Field(
            description="Money for an hour in which a whole device is on, in the same currency; "
            "null where there is no price."
        ),
    ] = None


class FleetSpec(BodySchema):
    """Pools, and what is known about the LLMs on them."""

    pools: Annotated[list[PoolSpec], Field(min_length=1, max_length=256, description="The pools.")]
    quality: Annotated[
        dict[WrittenName, Score | None],
        Field(
            description="Quality score of each LLM, 0 to 1, all of one metric; an LLM without one "
            "takes no part where quality matters."
        ),
        AfterValidator(ByLlm),
    ] = Field(default_factory=ByLlm)
    max_context_tokens: Annotated[
        dict[WrittenName, Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None],
        Field(description="Most input plus output tokens of one request for each LLM [tokens]."),
        AfterValidator(ByLlm),
    ] = Field(default_factory=ByLlm)


class FleetFileSpec(FleetSpec):
    """A fleet file: a fleet, and where its figures come from."""

    sources: Annotated[
        dict[str, str],
        Field(description="For each figure or group of figures, the publication it is from."),
    ] = Field(default_factory=dict)
