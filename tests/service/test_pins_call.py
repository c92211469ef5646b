"""Calls with pinned requests and with devices that cost something to switch on."""

from typing import Any

import pytest

from service.calls.planner_service import PlannerService
from service.calls.schemas.answers import PlanAnswer
from tests.service.answers import checked
from tests.service.bodies import Json, a100_fleet, call, pointers, rows


def plan(service: PlannerService, **body: Any) -> Json:
    status, answer, _ = call(service, body)
    assert status == 200, answer
    checked(answer, PlanAnswer)
    return answer


def refusal(service: PlannerService, pin: Json, **fleet: Any) -> list[str]:
    requests = [{**rows(1)[0], "pinned": pin}]
    status, answer, _ = call(service, {"requests": requests, "fleet": a100_fleet(**fleet)})
    assert status == 422
    return pointers(answer)


PINS: list[Json] = [
    {"llm": "llama-2-13b-chat"},
    {"pool": "4xa100"},
    {"pool": "a100", "device_index": 1},
    {"device_index": 1},
    {"llm": "llama-2-13b-chat", "pool": "a100", "concurrency": 1, "device_index": 0},
]


@pytest.mark.parametrize("pin", PINS)
def test_a_pinned_request_runs_where_it_is_pinned(
    planner_service: PlannerService, pin: Json
) -> None:
    requests = [*rows(4), {**rows(1)[0], "id": "pinned", "pinned": pin}]
    answer = plan(planner_service, requests=requests, fleet=a100_fleet())
    (entry,) = [entry for entry in answer["assignments"] if entry["id"] == "pinned"]
    assert {key: entry[key] for key in pin} == pin


def test_pins_come_in_columns_too(planner_service: PlannerService) -> None:
    columns = {
        "input_tokens": [10, 20],
        "output_tokens": [30, 40],
        "pinned": [None, {"pool": "a100", "device_index": 1}],
    }
    answer = plan(planner_service, columns=columns, fleet=a100_fleet())
    assert answer["columns"]["device_index"][1] == 1


def test_a_plan_pinned_to_itself_is_the_same_plan(planner_service: PlannerService) -> None:
    limits = {"min_mean_quality": 0.56}
    body = {"requests": rows(8), "fleet": a100_fleet(), "constraints": limits}
    first = plan(planner_service, **body)
    pinned = [
        {
            **row,
            "pinned": {key: entry[key] for key in ("llm", "pool", "concurrency", "device_index")},
        }
        for row, entry in zip(rows(8), first["assignments"], strict=True)
    ]
    again = plan(planner_service, **{**body, "requests": pinned})
    assert again["assignments"] == first["assignments"]
    assert again["energy_joules"]["value"] == pytest.approx(first["energy_joules"]["value"])


@pytest.mark.parametrize(
    ("pin", "field"),
    [
        ({"llm": "gpt-5"}, "/llm"),
        ({"pool": "moon"}, "/pool"),
        ({"llm": "llama-2-7b-chat", "pool": "4xa100"}, "/llm"),
        ({"concurrency": 7}, "/concurrency"),
        ({"pool": "4xa100", "device_index": 1}, "/device_index"),
        ({"device_index": 2}, "/device_index"),
        ({"device_index": -1}, "/device_index"),
        ({}, ""),
        ({"device": 1}, "/device"),
    ],
)
def test_a_pin_to_what_the_fleet_has_not_is_refused_with_its_pointer(
    planner_service: PlannerService, pin: Json, field: str
) -> None:
    assert "/requests/0/pinned" + field in refusal(planner_service, pin)


def test_a_pin_against_the_requests_own_names_is_unplaceable(
    planner_service: PlannerService,
) -> None:
    requests = [{**rows(1)[0], "pools": ["a100"], "pinned": {"pool": "4xa100"}}]
    status, answer, _ = call(planner_service, {"requests": requests, "fleet": a100_fleet()})
    assert status == 422
    assert answer["type"].endswith("unplaceable")


def test_switching_on_is_paid_for_each_device_and_comes_first(
    planner_service: PlannerService,
) -> None:
    fleet = a100_fleet(activation_joules=1e6, activation_seconds=30.0)
    del fleet["pools"][1], fleet["quality"]["llama-2-70b-chat"]
    answer = plan(planner_service, requests=rows(6), fleet=fleet)
    devices = {entry["device_index"] for entry in answer["assignments"]}
    assert len(devices) == 1
    assert answer["energy_joules"]["activation"] == 1e6
    assert min(entry["start_seconds"] for entry in answer["assignments"]) >= 30.0


def test_an_always_on_pool_refuses_an_activation(planner_service: PlannerService) -> None:
    fleet = a100_fleet(power_policy="always_on", activation_joules=1.0, activation_seconds=2.0)
    status, answer, _ = call(planner_service, {"requests": rows(2), "fleet": fleet})
    assert status == 422
    assert {
        "/fleet/pools/0/activation_joules",
        "/fleet/pools/0/activation_seconds",
    } <= set(pointers(answer))
