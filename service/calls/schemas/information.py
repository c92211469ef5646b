"""Answers of the reading calls and of every refusal."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, with_config

from service.calls.schemas.answers import CandidatePlacement
from service.calls.schemas.fields import Answer


class FleetPlacement(CandidatePlacement):
    """One placement of the service's own fleet."""

    quality: Annotated[float | None, Field(description="Score of the LLM, 0 to 1.")]
    max_context_tokens: Annotated[int | None, Field(description="Context limit [tokens].")]
    resident: Annotated[bool, Field(description="The LLM is loaded and stays.")]


class PlacementsAnswer(Answer):
    """Answer of `GET /placements`."""

    placements: list[FleetPlacement]


class CostModelAnswer(Answer):
    """One cost model that is loaded; its errors are ratios (0.05 is five per cent)."""

    llm: str
    device: str
    num_gpus: int
    basis: str
    max_concurrency: float
    max_context_tokens: int | None
    load_seconds: float | None
    load_energy_joules: float | None
    idle_watts: float | None
    has_interval: Annotated[bool, Field(description="Whether its energies come with an interval.")]
    has_mixed_lengths: Annotated[
        bool, Field(description="Whether it was profiled with mixed lengths too.")
    ]
    provenance: dict[str, Any]
    errors: dict[str, Any]


class RefusedArtefact(Answer):
    """A file that was not loaded."""

    path: str
    kind: str
    reason: str


class CostModelsAnswer(Answer):
    """Answer of `GET /cost-models`."""

    cost_models: list[CostModelAnswer]
    refused: list[RefusedArtefact]


StoreState = Literal["disk", "memory", "failing"]


class HealthAnswer(Answer):
    """Answer of `GET /healthz`."""

    status: Literal["ok"]


class ReadinessAnswer(Answer):
    """Answer of `GET /readyz` where the service can plan."""

    status: Literal["ready"]
    cost_models: Annotated[int, Field(ge=0, description="Cost models that are loaded.")]
    placements: Annotated[int, Field(ge=0, description="Placements of the service's own fleet.")]
    notes: Annotated[
        list[str],
        Field(
            description="What does not keep it from planning: changed files that cannot be used, "
            "so that those of before stay, and stores that do not keep what they are told, each "
            "since when and why; what of the fleet cannot be planned on."
        ),
    ]
    stores: Annotated[
        dict[str, StoreState],
        Field(
            description="Where actuals, the policy and plans are kept: on disk, in memory until "
            "the process ends, or nowhere now, so that what comes is refused."
        ),
    ]
    refused: Annotated[
        list[RefusedArtefact],
        Field(description="The first artefacts that were not loaded; `/cost-models` names all."),
    ]
    refused_count: Annotated[int, Field(ge=0, description="How many were not.")]


class FieldErrorAnswer(Answer):
    """One thing to mend in the body."""

    pointer: Annotated[str, Field(description="JSON pointer (RFC 6901); empty for the whole body.")]
    detail: str


@with_config(extra="allow")
class ProblemAnswer(Answer):
    """A refusal, as problem details (RFC 9457)."""

    type: Annotated[str, Field(description="`urn:jouleplan:problem:` and a stable name.")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    instance: str
    errors: list[FieldErrorAnswer]
