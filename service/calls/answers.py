"""From plans and cost matrices to the JSON that the caller gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from costmodel.cost_matrix import slot_seconds
from planner.problem import PlacementProblem
from planner.result import PlacementUsage, Plan, PlanWarning
from service.calls.assignments import assignment_columns, column_chunks, row_chunks
from service.calls.content import Content, collect
from service.calls.explaining import alternative_columns, alternative_rows
from service.calls.fleet.placements import candidate_list
from service.calls.messages import ARROW
from service.calls.planned_call import PlannedCall
from service.calls.schemas.answers import (
    EnergyAnswer,
    NormalisersAnswer,
    PlacementAnswer,
    PlanAnswer,
    PredictAnswer,
    RobustnessAnswer,
    WarningAnswer,
)
from service.calls.schemas.shards import ShardAnswer

OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def plan_chunks(
    solved: PlannedCall,
    accept: str,
    warnings: Sequence[PlanWarning] = (),
    shards: list[ShardAnswer] | None = None,
) -> Iterator[bytes]:
    """Yield the answer of `/plan` in the media type `accept`; `warnings` precede the plan's own.

    `shards` are those of a batch file, None of another body.
    """
    ready, plan, others = solved.ready, solved.plan, solved.others
    problem, placements = ready.problem, usage_list(ready.problem, plan.usage)
    document: PlanAnswer = {
        "plan_id": solved.plan_id,
        "status": plan.status,
        "objective": plan.objective,
        "lower_bound": plan.lower_bound,
        "absolute_gap": plan.absolute_gap,
        "gap": plan.gap,
        "cut_by_clock": plan.cut_by_clock,
        "energy_joules": _energy(plan),
        "carbon_grams": plan.carbon_g,
        "money": plan.money,
        "makespan_seconds": plan.makespan_s,
        "mean_quality": plan.mean_quality,
        "placements": placements,
        "shadow_prices": [
            {
                "constraint": price.constraint,
                "unit": price.unit,
                "objective": price.objective,
                "energy_joules": price.energy_j,
            }
            for price in plan.shadow_prices
        ],
        "robustness": _robustness(plan),
        "unplaceable": ready.unplaceable,
        "baselines": [
            {
                "name": baseline.name,
                "energy_joules": baseline.energy_j,
                "makespan_seconds": baseline.makespan_s,
                "mean_quality": baseline.mean_quality,
                "feasible": baseline.feasible,
                "carbon_grams": baseline.carbon_g,
                "money": baseline.money,
                "cost_saving_ratio": baseline.cost_saving_ratio,
                "saving_ratio": baseline.saving_ratio,
            }
            for baseline in plan.baselines
        ],
        "normalisers": _normalisers(plan),
        "warnings": warning_list([*warnings, *solved.warnings()]),
        "timings_seconds": solved.timings_s,
    }
    if shards is not None:
        document["shards"] = shards
    columns, by_row = assignment_columns(plan, ready.ids), ready.pointers.by_row and accept != ARROW
    if others is not None and by_row:
        columns["alternatives"] = alternative_rows(problem, others)
    elif others is not None:
        document["alternatives"] = alternative_columns(others)
    terms = orjson.dumps(document, option=OPTIONS)
    if accept == ARROW:
        from service.calls.arrow.answer import arrow_chunks  # noqa: PLC0415  few calls need it

        return arrow_chunks(terms, columns)
    if by_row:
        return row_chunks(terms, columns, placements)
    return column_chunks(terms, columns)


def predict_body(
    problem: PlacementProblem, warnings: Sequence[PlanWarning], *, as_arrow: bool = False
) -> Content:
    """Return the answer of `/predict`; null where a request is not eligible."""
    placements, listed_warnings = (
        candidate_list(problem.pools, problem.placements),
        warning_list(warnings),
    )
    matrices, eligible = _matrices(problem), problem.eligible
    if as_arrow:
        from service.calls.arrow.answer import matrix_chunks  # noqa: PLC0415  few calls need it

        return collect(
            matrix_chunks(
                orjson.dumps({"placements": placements, "warnings": listed_warnings}),
                matrices,
                eligible,
            )
        )
    answer: PredictAnswer = {
        "placements": placements,
        "warnings": listed_warnings,
        "energy_joules": _masked(matrices["energy_joules"], eligible),
        "device_seconds": _masked(matrices["device_seconds"], eligible),
        "runtime_seconds": _masked(matrices["runtime_seconds"], eligible),
        "energy_low_joules": _masked(matrices["energy_low_joules"], eligible),
        "energy_high_joules": _masked(matrices["energy_high_joules"], eligible),
        "extrapolated": [
            [flag if can else None for flag, can in zip(flags, cans, strict=True)]
            for flags, cans in zip(
                matrices["extrapolated"].tolist(), eligible.tolist(), strict=True
            )
        ],
    }
    return collect([orjson.dumps(answer, option=OPTIONS)])


def _matrices(problem: PlacementProblem) -> dict[str, npt.NDArray[Any]]:
    """Return the matrices of an answer of `/predict`, (n, k) each, with no regard to who may."""
    costs, workload = problem.costs, problem.requests.workload
    runtime_s = np.empty_like(costs.device_seconds)
    for k, placement in enumerate(problem.placements):
        runtime_s[:, k] = slot_seconds(
            workload.output_tokens,
            costs.device_seconds[:, k],
            placement.concurrency,
            workload.sequences,
        )
    return {
        "energy_joules": costs.energy_j,
        "device_seconds": costs.device_seconds,
        "runtime_seconds": runtime_s,
        "energy_low_joules": costs.energy_low_j,
        "energy_high_joules": costs.energy_high_j,
        "extrapolated": costs.outside != 0,
    }


def warning_list(warnings: Sequence[PlanWarning]) -> list[WarningAnswer]:
    """Return warnings as JSON, each text once."""
    return [{"code": w.code, "message": w.message} for w in dict.fromkeys(warnings)]


def _energy(plan: Plan) -> EnergyAnswer:
    energy = plan.energy
    return {
        "value": energy.value_j,
        "low": energy.low_j,
        "high": energy.high_j,
        "requests": energy.requests_j,
        "underfill": energy.underfill_j,
        "loading": energy.loading_j,
        "idle": energy.idle_j,
        "activation": energy.activation_j,
    }


def _normalisers(plan: Plan) -> NormalisersAnswer:
    cost, quality = plan.cost_normaliser, plan.quality_normaliser
    if plan.minimise == "energy":
        return {"energy_joules": cost, "quality": quality}
    if plan.minimise == "carbon":
        return {"carbon_grams": cost, "quality": quality}
    return {"money": cost, "quality": quality}


def _robustness(plan: Plan) -> RobustnessAnswer | None:
    found = plan.robustness
    if found is None:
        return None
    return {
        "confidence": found.confidence,
        "estimated_confidence": found.estimated_confidence,
        "standard_error": found.standard_error,
        "padding": found.padding,
        "energy_joules_without": found.energy_without_j,
        "extra_energy_ratio": found.extra_energy_ratio,
        "scenarios": found.scenarios,
    }


def usage_list(
    problem: PlacementProblem, usages: Iterable[PlacementUsage]
) -> list[PlacementAnswer]:
    """Return placements and what a plan does with them."""
    listed = candidate_list(problem.pools, problem.placements)
    return [
        {
            **listed[usage.index],
            "requests": usage.requests,
            "energy_joules": usage.energy_j,
            "busy_seconds": usage.busy_s,
            "utilisation": usage.utilisation,
        }
        for usage in usages
    ]


def _masked(
    values: npt.NDArray[np.float64], eligible: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return values with nan, which JSON writes as null, where a request is not eligible."""
    return np.ascontiguousarray(np.where(eligible, values, np.nan))
