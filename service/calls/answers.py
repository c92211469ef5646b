"""From plans and cost matrices to the JSON that the caller gets."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import orjson

from costmodel.cost_matrix import slot_seconds
from service.calls.plan_terms import NORMALISER_NAMES
from service.calls.why import alternative_columns, alternative_rows
from service.fleet.placements import candidate_list
from service.planning.explanation.alternatives import Alternatives
from service.planning.problem import PlacementProblem
from service.planning.result import Plan, PlanWarning

OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def plan_body(
    problem: PlacementProblem,
    plan: Plan,
    ids: Sequence[str],
    *,
    by_row: bool,
    unplaceable: Sequence[dict[str, Any]],
    warnings: Sequence[PlanWarning],
    others: Alternatives | None = None,
    predict_s: float,
    solve_s: float,
    started: float,
    plan_id: str = "",
) -> bytes:
    """Return the answer of `/plan`.

    Parameters
    ----------
    problem, plan
        What was planned, and how; of n requests.
    ids
        The n names of the requests.
    by_row
        Answer with rows rather than columns.
    unplaceable
        Requests that were left out, as they are to be listed.
    others
        Other placements of each request; None where nobody asked.
    predict_s, solve_s
        How long the parts took [s].
    started
        `time.perf_counter` at the start of the call.
    plan_id
        Name of the plan; a random one where empty.
    """
    document = {
        "plan_id": plan_id or str(uuid4()),
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
        "placements": _usage(problem, plan),
        **(_rows(problem, plan, ids, others) if by_row else _columns(plan, ids, others)),
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
        "unplaceable": list(unplaceable),
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
        "normalisers": {
            NORMALISER_NAMES[plan.minimise]: plan.cost_normaliser,
            "quality": plan.quality_normaliser,
        },
        "warnings": warning_list(warnings),
        "timings_seconds": {
            "predict": predict_s,
            "solve": solve_s,
            "total": perf_counter() - started,
        },
    }
    return orjson.dumps(document, option=OPTIONS)


def predict_body(problem: PlacementProblem, warnings: Sequence[PlanWarning]) -> bytes:
    """Return the answer of `/predict`; null where a request is not eligible."""
    costs, eligible = problem.costs, problem.eligible
    runtime_s = np.empty_like(costs.device_seconds)
    tokens = problem.requests.workload.output_tokens
    for k, placement in enumerate(problem.placements):
        runtime_s[:, k] = slot_seconds(tokens, costs.device_seconds[:, k], placement.concurrency)
    document = {
        "placements": _candidates(problem),
        "energy_joules": _masked(costs.energy_j, eligible),
        "device_seconds": _masked(costs.device_seconds, eligible),
        "runtime_seconds": _masked(runtime_s, eligible),
        "energy_low_joules": _masked(costs.energy_low_j, eligible),
        "energy_high_joules": _masked(costs.energy_high_j, eligible),
        "extrapolated": [
            [bool(flag) if can else None for flag, can in zip(flags, cans, strict=True)]
            for flags, cans in zip(costs.outside.tolist(), eligible.tolist(), strict=True)
        ],
        "warnings": warning_list(warnings),
    }
    return orjson.dumps(document, option=OPTIONS)


def warning_list(warnings: Sequence[PlanWarning]) -> list[dict[str, str]]:
    """Return warnings as JSON, each text once."""
    return [{"code": w.code, "message": w.message} for w in dict.fromkeys(warnings)]


def _energy(plan: Plan) -> dict[str, float | None]:
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


def _robustness(plan: Plan) -> dict[str, float] | None:
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


def _usage(problem: PlacementProblem, plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            **candidate,
            "requests": usage.requests,
            "energy_joules": usage.energy_j,
            "busy_seconds": usage.busy_s,
            "utilisation": usage.utilisation,
        }
        for candidate, usage in zip(
            candidate_list(problem.pools, problem.placements), plan.usage, strict=True
        )
    ]


def _candidates(problem: PlacementProblem) -> list[dict[str, Any]]:
    return candidate_list(problem.pools, problem.placements)


def _rows(
    problem: PlacementProblem, plan: Plan, ids: Sequence[str], others: Alternatives | None
) -> dict[str, Any]:
    named = [
        (c["llm"], c["pool"], c["concurrency"])
        for c in candidate_list(problem.pools, problem.placements)
    ]
    columns = zip(
        ids,
        plan.placement.tolist(),
        plan.device_index.tolist(),
        plan.start_s.tolist(),
        plan.energy_j.tolist(),
        plan.runtime_s.tolist(),
        plan.extrapolated.tolist(),
        strict=True,
    )
    rows = [
        {
            "id": name,
            "placement": placement,
            "llm": named[placement][0],
            "pool": named[placement][1],
            "concurrency": named[placement][2],
            "device_index": device,
            "start_seconds": start_s,
            "energy_joules": energy_j,
            "runtime_seconds": runtime_s,
            "extrapolated": extrapolated,
        }
        for name, placement, device, start_s, energy_j, runtime_s, extrapolated in columns
    ]
    if others is not None:
        for row, alternatives in zip(rows, alternative_rows(problem, others), strict=True):
            row["alternatives"] = alternatives
    return {"assignments": rows}


def _columns(plan: Plan, ids: Sequence[str], others: Alternatives | None) -> dict[str, Any]:
    explained = {} if others is None else {"alternatives": alternative_columns(others)}
    return explained | {
        "columns": {
            "id": list(ids),
            "placement": np.ascontiguousarray(plan.placement),
            "device_index": np.ascontiguousarray(plan.device_index),
            "start_seconds": np.ascontiguousarray(plan.start_s),
            "energy_joules": np.ascontiguousarray(plan.energy_j),
            "runtime_seconds": np.ascontiguousarray(plan.runtime_s),
            "extrapolated": np.ascontiguousarray(plan.extrapolated),
        }
    }


def _masked(
    values: npt.NDArray[np.float64], eligible: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return values with nan, which JSON writes as null, where a request is not eligible."""
    return np.ascontiguousarray(np.where(eligible, values, np.nan))
