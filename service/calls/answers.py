"""From plans and cost matrices to the JSON that the caller gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import orjson

from costmodel.cost_matrix import slot_seconds
from planner.problem import PlacementProblem
from planner.result import Plan, PlanWarning
from planner.sensitivity.alternatives import Alternatives
from service.calls.assignments import assignment_columns, column_chunks, row_chunks
from service.calls.content import Content, gathered
from service.calls.fleet.placements import candidate_list
from service.calls.plan_terms import NORMALISER_NAMES
from service.calls.why import alternative_columns, alternative_rows

OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def plan_chunks(
    problem: PlacementProblem,
    plan: Plan,
    ids: Sequence[str],
    *,
    form: Literal["rows", "columns", "arrow"],
    unplaceable: Sequence[dict[str, Any]],
    warnings: Sequence[PlanWarning],
    timings_s: Mapping[str, float],
    others: Alternatives | None = None,
    plan_id: str,
    further: Mapping[str, Any],
) -> Iterator[bytes]:
    """Yield the answer of `/plan`.

    Parameters
    ----------
    problem, plan
        What was planned, and how; of n requests.
    ids
        The n names of the requests.
    form
        Of the assignments.
    unplaceable
        Requests that were left out, as they are to be listed.
    timings_s
        How long the parts took so far [s].
    others
        Other placements of each request; None where nobody asked.
    plan_id
        Name of the plan.
    further
        Members to be added.
    """
    document = {
        "plan_id": plan_id,
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
        "timings_seconds": timings_s,
        **further,
    }
    columns = assignment_columns(plan, ids)
    if others is not None and form == "rows":
        columns["alternatives"] = alternative_rows(problem, others)
    elif others is not None:
        document["alternatives"] = alternative_columns(others)
    terms = orjson.dumps(document, option=OPTIONS)
    if form == "arrow":
        from service.calls.arrow.answer import arrow_chunks  # noqa: PLC0415  few calls need it

        return arrow_chunks(terms, columns)
    if form == "rows":
        return row_chunks(terms, columns, _usage(problem, plan))
    return column_chunks(terms, columns)


def predict_body(
    problem: PlacementProblem, warnings: Sequence[PlanWarning], *, as_arrow: bool = False
) -> Content:
    """Return the answer of `/predict`; null where a request is not eligible."""
    terms = {"placements": _candidates(problem), "warnings": warning_list(warnings)}
    matrices, eligible = _matrices(problem), problem.eligible
    if as_arrow:
        from service.calls.arrow.answer import matrix_chunks  # noqa: PLC0415  few calls need it

        return gathered(matrix_chunks(orjson.dumps(terms), matrices, eligible))
    document: dict[str, Any] = {
        name: _masked(matrix, eligible) for name, matrix in matrices.items() if matrix.dtype != bool
    }
    document["extrapolated"] = [
        [flag if can else None for flag, can in zip(flags, cans, strict=True)]
        for flags, cans in zip(matrices["extrapolated"].tolist(), eligible.tolist(), strict=True)
    ]
    return gathered([orjson.dumps({**terms, **document}, option=OPTIONS)])


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


def _masked(
    values: npt.NDArray[np.float64], eligible: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return values with nan, which JSON writes as null, where a request is not eligible."""
    return np.ascontiguousarray(np.where(eligible, values, np.nan))
