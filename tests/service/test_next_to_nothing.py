"""Limits of next to nothing, which a body may hold: kept or refused in words, never a 500."""

from typing import Any

import pytest

from service.calls.planner_service import PlannerService
from tests.service.bodies import Json, a100_fleet, call, rows

TINY = (1e-300, 5e-324)


@pytest.mark.parametrize("value", TINY)
def test_a_pool_that_closes_at_once_is_left_to_others(
    planner_service: PlannerService, value: float
) -> None:
    requests: list[Json] = [dict(row, id=str(i)) for i, row in enumerate(rows(8) * 15)]
    fleet = a100_fleet(available_seconds=value, resident=["llama-2-7b-chat"])
    body = {"requests": requests, "fleet": fleet, "solver": {"relative_gap": 0.0}}
    status, answer, _ = call(planner_service, body)
    assert status == 200, answer
    assert {entry["pool"] for entry in answer["assignments"]} == {"4xa100"}


@pytest.mark.parametrize("value", TINY)
@pytest.mark.parametrize(
    "limits",
    [
        {"constraints": {"max_carbon_grams": 1.0}},
        {"constraints": {"max_money": 1.0}},
        {"constraints": {"max_energy_joules": 1.0}},
        {"constraints": {"deadline_seconds": 1.0}},
        {"requests": {"deadline_seconds": 1.0}},
    ],
    ids=str,
)
def test_a_limit_of_nothing_is_refused_in_words(
    planner_service: PlannerService, limits: dict[str, dict[str, Any]], value: float
) -> None:
    fleet = a100_fleet(resident=["llama-2-7b-chat"])
    for pool in fleet["pools"]:
        pool |= {"carbon_g_per_kwh": 300.0, "price_per_kwh": 0.2}
    tight = {key: dict.fromkeys(named, value) for key, named in limits.items()}
    requests = [{**row, **tight.get("requests", {})} for row in rows(5)]
    body = {
        "requests": requests,
        "fleet": fleet,
        "constraints": tight.get("constraints", {}),
        "solver": {"time_limit_seconds": 1.0},
    }
    status, answer, outcome = call(planner_service, body)
    assert (status, outcome) == (422, "infeasible"), answer


def test_a_cap_of_nothing_is_kept_where_nothing_is_paid(planner_service: PlannerService) -> None:
    fleet = a100_fleet(resident=["llama-2-7b-chat"], carbon_g_per_kwh=0.0)
    fleet["pools"][1]["carbon_g_per_kwh"] = 0.0
    body = {
        "requests": rows(5),
        "fleet": fleet,
        "constraints": {"max_carbon_grams": 1e-300, "shares": {"llama-2-70b-chat": {"min": 0.5}}},
        "objective": {"minimise": "carbon", "zeta": 0.1},
        "solver": {"relative_gap": 0.0},
    }
    status, answer, _ = call(planner_service, body)
    assert status == 200, answer
    assert answer["carbon_grams"] == 0.0


@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_no_floor_lets_an_llm_without_a_score_in(
    planner_service: PlannerService, floor: float
) -> None:
    fleet = a100_fleet()
    del fleet["quality"]["llama-2-13b-chat"]
    shares = {"llama-2-13b-chat": {"min": 0.5}}
    limits = {"min_mean_quality": floor, "shares": shares}
    body = {"requests": rows(8), "fleet": fleet, "constraints": limits}
    status, answer, _ = call(planner_service, body)
    assert status == 422, answer
    assert [each["constraint"] for each in answer["relaxations"]] == ["shares/llama-2-13b-chat/min"]
    shares["llama-2-13b-chat"]["min"] = answer["relaxations"][0]["needed"]
    assert call(planner_service, body)[0] == 200
