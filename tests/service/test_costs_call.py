"""Calls that minimise carbon or money, and what they must bring for it."""

import copy
from typing import Any

import pytest

from service.calls.planner_service import PlannerService
from service.calls.schemas.answers import PlanAnswer
from tests.service.answers import checked
from tests.service.bodies import Json, a100_fleet, call, pointers, rows


def fleet_with(**figures: float) -> Json:
    fleet = copy.deepcopy(a100_fleet())
    for pool in fleet["pools"]:
        pool.update(figures)
    return fleet


def plan(service: PlannerService, **body: Any) -> Json:
    status, answer, _ = call(service, {"requests": rows(6), **body})
    assert status == 200, answer
    checked(answer, PlanAnswer)
    return answer


def test_carbon_is_the_joules_times_the_grid(planner_service: PlannerService) -> None:
    fleet = fleet_with(carbon_g_per_kwh=360.0)
    answer = plan(planner_service, fleet=fleet, objective={"minimise": "carbon"})
    assert answer["carbon_grams"] == pytest.approx(answer["energy_joules"]["value"] * 1e-4)
    assert answer["money"] is None
    assert set(answer["normalisers"]) == {"carbon_grams", "quality"}
    assert answer["objective"] == pytest.approx(
        answer["carbon_grams"] / answer["normalisers"]["carbon_grams"]
    )


def test_money_counts_hours_and_joules(planner_service: PlannerService) -> None:
    fleet = fleet_with(price_per_device_hour=3600.0, price_per_kwh=3.6e6)
    answer = plan(planner_service, fleet=fleet, objective={"minimise": "money"})
    seconds = sum(entry["runtime_seconds"] for entry in answer["assignments"])
    assert answer["money"] >= seconds + answer["energy_joules"]["value"] - 1e-6
    feasible = [entry for entry in answer["baselines"] if entry["feasible"]]
    assert feasible
    for entry in feasible:
        assert entry["cost_saving_ratio"] == pytest.approx(1 - answer["money"] / entry["money"])


def test_joules_alone_need_no_figures_and_state_what_is_known(
    planner_service: PlannerService,
) -> None:
    answer = plan(planner_service, fleet=fleet_with(price_per_kwh=0.3))
    assert answer["carbon_grams"] is None
    assert answer["money"] == pytest.approx(answer["energy_joules"]["value"] / 3.6e6 * 0.3)


@pytest.mark.parametrize(
    ("unit", "field"), [("carbon", "carbon_g_per_kwh"), ("money", "price_per_kwh")]
)
def test_a_pool_without_figures_is_refused_with_a_pointer_to_it(
    planner_service: PlannerService, unit: str, field: str
) -> None:
    fleet = fleet_with()
    fleet["pools"][0][field] = 1.0
    body = {"requests": rows(3), "fleet": fleet, "objective": {"minimise": unit}}
    status, answer, _ = call(planner_service, body)
    assert status == 422
    assert f"/fleet/pools/1/{field}" in pointers(answer)
    assert f"/fleet/pools/0/{field}" not in pointers(answer)


def test_a_pool_that_no_request_may_take_needs_no_figures(planner_service: PlannerService) -> None:
    fleet = fleet_with()
    fleet["pools"][0]["carbon_g_per_kwh"] = 100.0
    name = fleet["pools"][0]["name"]
    requests = [{**row, "pools": [name]} for row in rows(3)]
    answer = plan(planner_service, requests=requests, fleet=fleet, objective={"minimise": "carbon"})
    assert answer["carbon_grams"] > 0.0


def test_the_fleet_of_the_service_is_named_by_the_objective(
    planner_service: PlannerService,
) -> None:
    body = {"requests": rows(2), "objective": {"minimise": "carbon"}}
    status, answer, _ = call(planner_service, body)
    assert status == 422
    assert pointers(answer) == ["/objective/minimise"] * len(pointers(answer))


def test_a_normaliser_of_what_is_not_minimised_is_refused(planner_service: PlannerService) -> None:
    body = {"requests": rows(2), "objective": {"normalisers": {"money": 1.0}}}
    status, answer, _ = call(planner_service, body)
    assert status == 422
    assert pointers(answer) == ["/objective/normalisers/money"]


def test_negative_prices_are_refused(planner_service: PlannerService) -> None:
    body = {"requests": rows(2), "fleet": fleet_with(price_per_kwh=-1.0)}
    status, answer, _ = call(planner_service, body)
    assert status == 422
    assert "/fleet/pools/0/price_per_kwh" in pointers(answer)
