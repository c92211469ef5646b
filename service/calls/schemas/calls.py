"""Bodies of `POST /plan` and `POST /predict`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from service.calls.schemas.fields import (
    MAX_SECONDS,
    WHOLE,
    BodySchema,
    Money,
    PlanLimits,
    Ratio,
    Seconds,
)
from service.calls.schemas.fleet import FleetSpec
from service.calls.schemas.names import ByLlm, WrittenName
from service.calls.schemas.requests import RequestColumns, RequestRow

EITHER_ROWS_OR_COLUMNS: dict[str, Any] = {
    "oneOf": [
        {
            "required": ["requests"],
            "properties": {"requests": {"type": "array"}, "columns": {"type": "null"}},
        },
        {
            "required": ["columns"],
            "properties": {"columns": {"type": "object"}, "requests": {"type": "null"}},
        },
    ]
}
"""Exactly one of `requests` and `columns`, for the JSON schema."""


# Far below any single cost or quality, so that the objective stays a number.
Normaliser = Annotated[float, Field(ge=1e-6, le=1e15)]
SmallNormaliser = Annotated[float, Field(ge=1e-12, le=1e15)]


class Normalisers(BodySchema):
    """Divisors of the two terms of the objective."""

    energy_joules: Annotated[
        Normaliser | None,
        Field(
            description="C0 where energy is minimised [J], at least 1e-6; the largest single "
            "energy where left out."
        ),
    ] = None
    carbon_grams: Annotated[
        SmallNormaliser | None,
        Field(
            description="C0 where carbon is minimised [g], at least 1e-12; the largest single "
            "value where left out."
        ),
    ] = None
    money: Annotated[
        SmallNormaliser | None,
        Field(
            description="C0 where money is minimised, at least 1e-12; the largest single value "
            "where left out."
        ),
    ] = None
    quality: Annotated[
        Normaliser | None,
        Field(
            description="Q0, score times tokens, at least 1e-6; the largest single value where "
            "left out."
        ),
    ] = None


class ObjectiveSpec(BodySchema):
    """Minimise ``zeta * cost / C0 - (1 - zeta) * quality / Q0``."""

    minimise: Annotated[
        Literal["energy", "carbon", "money"],
        Field(
            description="What the cost is: joules; grams of carbon dioxide, by each pool's "
            "`carbon_g_per_kwh`; or money, by its `price_per_kwh` and `price_per_device_hour`, of "
            "which one at least must be there."
        ),
    ] = "energy"
    zeta: Annotated[
        float, Field(ge=0, le=1, description="Weight of the cost against quality, 0 to 1.")
    ] = 1.0
    normalisers: Annotated[
        Normalisers,
        Field(description="C0, of what is minimised, and Q0; from the data where left out."),
    ] = Normalisers()


class ShareSpec(BodySchema):
    """Bounds on the share of the requests that one LLM serves, by count."""

    min: Ratio = 0.0
    max: Ratio = 1.0


class Constraints(PlanLimits):
    """Limits that the plan keeps; each may be left out."""

    max_money: Annotated[
        Money | None,
        Field(description="Cap on the money of the plan, in the pools' currency, above 0."),
    ] = None
    shares: Annotated[
        dict[WrittenName, ShareSpec],
        Field(description="For an LLM, the least and the largest share of the requests."),
        AfterValidator(ByLlm),
    ] = Field(default_factory=ByLlm)
    min_requests: Annotated[
        dict[WrittenName, Annotated[int, Field(ge=0, le=10_000_000), WHOLE]],
        Field(description="For an LLM, the least number of requests."),
        AfterValidator(ByLlm),
    ] = Field(default_factory=ByLlm)
    confidence: Annotated[
        float | None,
        Field(
            ge=0.5,
            le=0.995,
            description="Probability at which the whole batch meets every deadline (the plan's, "
            "the requests' own, the pools' availability), 0.5 to 0.995; as predicted where left "
            "out.",
        ),
    ] = None
    horizon_seconds: Annotated[
        Seconds | None,
        Field(description="How long `always_on` pools are on [s]; the makespan where left out."),
    ] = None


class SolverOptionsSpec(BodySchema):
    """When the solver may stop, and its seed."""

    time_limit_seconds: Annotated[
        float,
        Field(
            ge=0.01,
            le=MAX_SECONDS,
            description="Time for predicting, solving and explaining [s], at least 0.01.",
        ),
    ] = 10.0
    relative_gap: Annotated[
        float, Field(ge=0, le=1, description="Stop when the gap is at most this, 0 to 1.")
    ] = 1e-3
    seed: Annotated[
        int, Field(ge=0, le=2**31 - 1, description="Same call, same seed, same plan."), WHOLE
    ] = 0


class WithRequests(BodySchema):
    """What the bodies of `/plan` and `/predict` share: the requests and the fleet."""

    requests: Annotated[
        list[RequestRow] | None, Field(min_length=1, description="The requests as rows.")
    ] = None
    columns: Annotated[
        RequestColumns | None, Field(description="The requests as columns, instead of rows.")
    ] = None
    fleet: Annotated[
        FleetSpec | None, Field(description="The fleet; the service's own where left out.")
    ] = None


class PredictRequest(WithRequests):
    """Body of `POST /predict`."""

    model_config = ConfigDict(json_schema_extra=EITHER_ROWS_OR_COLUMNS)


class PlanRequest(WithRequests):
    """Body of `POST /plan`."""

    model_config = ConfigDict(json_schema_extra=EITHER_ROWS_OR_COLUMNS)

    objective: Annotated[ObjectiveSpec, Field(description="What is minimised.")] = ObjectiveSpec()
    constraints: Annotated[Constraints, Field(description="What must hold.")] = Constraints()
    solver: Annotated[SolverOptionsSpec, Field(description="When to stop.")] = SolverOptionsSpec()
    on_unplaceable: Annotated[
        Literal["refuse", "report"],
        Field(
            description="What to do about requests that fit no placement: refuse the call, or plan "
            "the others and list these under `unplaceable`."
        ),
    ] = "refuse"
    allow_mixed_provenance: Annotated[
        bool,
        Field(
            description="Plan over cost models of different energy scopes, KV-cache settings or "
            "engines, with a warning, instead of refusing."
        ),
    ] = False
    publish: Annotated[
        bool,
        Field(
            description="Put the plan's shadow prices in force for single decisions "
            "(`POST /decision`), until they expire. Only over the service's own fleet, and where "
            "joules are in the objective."
        ),
    ] = False
    explain: Annotated[
        bool,
        Field(
            description="Tell for each request the next best placements and what stopped them; "
            "for at most 100,000 requests."
        ),
    ] = False
