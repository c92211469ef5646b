"""Answers of the planning calls, as `service.calls.answers` writes them."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field

from service.calls.schemas.explanations import (
    AlternativeAnswer,
    AlternativesAnswer,
    ShadowPriceAnswer,
)
from service.calls.schemas.fields import Answer, Count, NonNegative, Table
from service.calls.schemas.shards import ShardAnswer


class EnergyAnswer(Answer):
    """Energy of the plan [J]: requests + underfill + loading + idle + activation."""

    value: Annotated[float, Field(ge=0, description="Sum of the five parts [J].")]
    low: Annotated[
        float | None, Field(description="Lower end of the 90 % interval [J]; null where unknown.")
    ]
    high: Annotated[
        float | None, Field(description="Upper end of the 90 % interval [J]; null where unknown.")
    ]
    requests: Annotated[float, Field(ge=0, description="The requests at nominal concurrency [J].")]
    underfill: Annotated[float, Field(description="What half-filled blocks cost more [J].")]
    loading: Annotated[float, Field(ge=0, description="Loading LLMs [J].")]
    idle: Annotated[float, Field(ge=0, description="Devices that are on and serve nothing [J].")]
    activation: Annotated[float, Field(ge=0, description="Switching devices on [J].")]


class CandidatePlacement(Answer):
    """One column of the decision."""

    index: Annotated[int, Field(ge=0, description="Position in this list.")]
    llm: str
    pool: str
    device: str
    concurrency: Annotated[int, Field(ge=1, description="Requests that share a device at once.")]


class PlacementAnswer(CandidatePlacement):
    """One column of the decision and what the plan makes of it."""

    requests: Annotated[int, Field(ge=0, description="Requests that it serves.")]
    energy_joules: Annotated[
        float, Field(ge=0, description="Their energy at the concurrency achieved [J].")
    ]
    busy_seconds: Annotated[float, Field(ge=0, description="Device-seconds of its blocks [s].")]
    utilisation: Annotated[
        float | None, Field(ge=0, description="Busy seconds over the pool's seconds, a ratio.")
    ]


class AssignmentAnswer(Answer):
    """Where and when one request runs."""

    id: str
    placement: Annotated[int, Field(ge=0, description="Index into `placements`.")]
    llm: str
    pool: str
    concurrency: Annotated[int, Field(ge=1)]
    device_index: Annotated[int, Field(ge=0, description="Which device of the pool.")]
    start_seconds: Annotated[float, Field(ge=0, description="Start on that device [s].")]
    energy_joules: Annotated[float, Field(ge=0, description="Predicted energy [J].")]
    runtime_seconds: Annotated[float, Field(ge=0, description="Predicted latency [s].")]
    extrapolated: Annotated[bool, Field(description="Outside what was profiled.")]
    alternatives: Annotated[
        NotRequired[list[AlternativeAnswer] | None],
        Field(default=None, description='With `"explain": true`.'),
    ]


class ColumnsAnswer(Answer):
    """The assignments as columns of equal length."""

    id: list[str]
    placement: list[Count]
    device_index: list[Count]
    start_seconds: list[NonNegative]
    energy_joules: list[NonNegative]
    runtime_seconds: list[NonNegative]
    extrapolated: list[bool]


class BaselineAnswer(Answer):
    """What a simpler policy would do with the same requests."""

    name: str
    energy_joules: Annotated[float | None, Field(description="Energy [J].")]
    makespan_seconds: Annotated[float | None, Field(description="Makespan [s].")]
    mean_quality: Annotated[float | None, Field(description="Token-weighted mean quality, 0 to 1.")]
    feasible: Annotated[bool, Field(description="Whether it keeps every limit.")]
    saving_ratio: Annotated[
        float | None,
        Field(description="1 - plan/baseline, of joules; null where the baseline is infeasible."),
    ]
    carbon_grams: Annotated[float | None, Field(description="As for the plan [g].")]
    money: Annotated[float | None, Field(description="As for the plan.")]
    cost_saving_ratio: Annotated[
        float | None, Field(description="1 - plan/baseline, of what the objective minimises.")
    ]


class NormalisersAnswer(Answer):
    """C0, by the name of what is minimised, and Q0 of the objective."""

    energy_joules: Annotated[
        NotRequired[float | None],
        Field(default=None, description="C0 where energy is minimised [J]."),
    ]
    carbon_grams: Annotated[
        NotRequired[float | None],
        Field(default=None, description="C0 where carbon is minimised [g]."),
    ]
    money: Annotated[
        NotRequired[float | None], Field(default=None, description="C0 where money is minimised.")
    ]
    quality: Annotated[float, Field(description="Q0, score times tokens.")]


class RobustnessAnswer(Answer):
    """How sure the plan is of its deadlines, and what that costs."""

    confidence: Annotated[float, Field(description="As asked for.")]
    estimated_confidence: Annotated[
        float,
        Field(ge=0, le=1, description="Share of the scenarios in which every deadline is kept."),
    ]
    standard_error: Annotated[float, Field(ge=0, description="Of that share.")]
    padding: Annotated[
        float, Field(ge=1, description="What the deadlines were divided by while planning.")
    ]
    energy_joules_without: Annotated[
        float, Field(ge=0, description="Energy of the plan that keeps them as predicted [J].")
    ]
    extra_energy_ratio: Annotated[
        float, Field(description="What the confidence costs: plan over that energy, less 1.")
    ]
    scenarios: Count


class UnplaceableAnswer(Answer):
    """A request that fits no placement."""

    id: str
    index: Annotated[int, Field(ge=0, description="Position of the request in the call.")]
    reason: str


class WarningAnswer(Answer):
    """Something that the reader of the plan should know."""

    code: str
    message: str


class TimingsAnswer(Answer):
    """Seconds that parts of the call took; `total` is until the answer was begun to be written."""

    parse: NonNegative
    predict: NonNegative
    solve: NonNegative
    total: NonNegative


class PlanAnswer(Answer):
    """Answer of `POST /plan`."""

    plan_id: str
    status: Annotated[
        Literal["optimal", "feasible"], Field(description="`optimal` only if proven (gap <= 1e-6).")
    ]
    objective: Annotated[float, Field(description="Objective of the dispatched schedule.")]
    lower_bound: Annotated[float, Field(description="No plan has a smaller objective.")]
    absolute_gap: Annotated[float, Field(description="Their difference.")]
    gap: Annotated[
        float | None,
        Field(description="Relative gap, a ratio; null where there is nothing to gain."),
    ]
    cut_by_clock: Annotated[bool, Field(description="The time limit cut the search short.")]
    energy_joules: EnergyAnswer
    carbon_grams: Annotated[
        float | None,
        Field(
            ge=0,
            description="Carbon dioxide of the plan [g]; null where a pool that it pays for states "
            "no `carbon_g_per_kwh`.",
        ),
    ]
    money: Annotated[
        float | None,
        Field(
            ge=0,
            description="Money that the plan takes; null where a pool that it pays for states "
            "neither `price_per_kwh` nor `price_per_device_hour`.",
        ),
    ]
    makespan_seconds: Annotated[float, Field(ge=0, description="Until the last device ends [s].")]
    mean_quality: Annotated[
        float | None, Field(description="Token-weighted, 0 to 1; null where a score is unknown.")
    ]
    placements: list[PlacementAnswer]
    assignments: Annotated[
        NotRequired[list[AssignmentAnswer] | None],
        Field(default=None, description="Where the requests came as rows."),
    ]
    columns: Annotated[
        NotRequired[ColumnsAnswer | None],
        Field(default=None, description="Where the requests came as columns."),
    ]
    robustness: Annotated[
        NotRequired[RobustnessAnswer | None],
        Field(default=None, description="Where a confidence was asked for."),
    ]
    alternatives: Annotated[
        NotRequired[AlternativesAnswer | None],
        Field(
            default=None, description='With `"explain": true`, where the requests came as columns.'
        ),
    ]
    shadow_prices: Annotated[
        list[ShadowPriceAnswer],
        Field(description="What the limits cost; empty where the bound was not solved for."),
    ]
    unplaceable: Annotated[
        list[UnplaceableAnswer], Field(description="Requests that were left out of the plan.")
    ]
    baselines: list[BaselineAnswer]
    normalisers: NormalisersAnswer
    warnings: list[WarningAnswer]
    timings_seconds: TimingsAnswer
    shards: Annotated[
        NotRequired[list[ShardAnswer] | None],
        Field(default=None, description="Where the body was a batch file."),
    ]


Matrix = Annotated[
    Table[float | None],
    Field(description="Row i is request i, column j placement j; null where it is not eligible."),
]


class PredictAnswer(Answer):
    """Answer of `POST /predict`: matrices of requests by placements."""

    placements: list[CandidatePlacement]
    energy_joules: Matrix
    device_seconds: Matrix
    runtime_seconds: Matrix
    energy_low_joules: Matrix
    energy_high_joules: Matrix
    extrapolated: Annotated[
        list[list[bool | None]], Field(description="Outside what was profiled; null as above.")
    ]
    warnings: list[WarningAnswer]
