"""`POST /plan` and `/predict` from body to answer, without HTTP."""

import pytest

from service.calls.planner_service import PlannerService
from service.calls.schemas.answers import PredictAnswer
from tests.service.answers import checked, plan
from tests.service.bodies import a100_fleet, call, columns, pointers, rows


def test_every_request_of_a_call_is_assigned_once_in_order(planner_service: PlannerService) -> None:
    answer = plan(planner_service, requests=rows(12), fleet=a100_fleet())
    assert [entry["id"] for entry in answer["assignments"]] == [f"r{i}" for i in range(12)]
    assert sum(entry["requests"] for entry in answer["placements"]) == 12
    for entry in answer["assignments"]:
        placement = answer["placements"][entry["placement"]]
        assert {key: placement[key] for key in ("llm", "pool", "concurrency")} == {
            key: entry[key] for key in ("llm", "pool", "concurrency")
        }


def test_rows_and_columns_of_a_call_give_the_same_plan(planner_service: PlannerService) -> None:
    by_row = plan(planner_service, requests=rows(8), fleet=a100_fleet())
    by_column = plan(planner_service, columns=columns(8), fleet=a100_fleet())
    assert "assignments" not in by_column
    assert "columns" not in by_row
    for key in ("id", "placement", "device_index", "start_seconds", "runtime_seconds"):
        assert by_column["columns"][key] == [entry[key] for entry in by_row["assignments"]]


def test_ids_default_to_the_indices(planner_service: PlannerService) -> None:
    answer = plan(planner_service, columns={"input_tokens": [5, 6], "output_tokens": [7, 8]})
    assert answer["columns"]["id"] == ["0", "1"]


def test_energy_is_the_sum_of_its_parts(planner_service: PlannerService) -> None:
    energy = plan(planner_service, requests=rows(6), fleet=a100_fleet())["energy_joules"]
    parts = energy["requests"] + energy["underfill"] + energy["loading"] + energy["idle"]
    assert energy["value"] == pytest.approx(parts)
    assert energy["low"] < energy["value"] < energy["high"]


def test_a_request_runs_where_its_own_limits_admit(planner_service: PlannerService) -> None:
    requests = [
        {**rows(1)[0], "id": "by llm", "llms": ["llama-2-13b-chat"]},
        {**rows(1)[0], "id": "by pool", "pools": ["4xa100"]},
        {**rows(1)[0], "id": "by quality", "min_quality": 0.6},
        {**rows(1)[0], "id": "free"},
    ]
    answer = plan(planner_service, requests=requests, fleet=a100_fleet())
    served = {entry["id"]: entry["llm"] for entry in answer["assignments"]}
    assert served["by llm"] == "llama-2-13b-chat"
    assert served["by pool"] == "llama-2-70b-chat"
    assert served["by quality"] == "llama-2-70b-chat"


def test_shares_and_least_requests_hold(planner_service: PlannerService) -> None:
    answer = plan(
        planner_service,
        requests=rows(10),
        fleet=a100_fleet(),
        constraints={
            "shares": {"llama-2-7b-chat": {"max": 0.5}},
            "min_requests": {"llama-2-70b-chat": 1},
        },
    )
    served = {entry["llm"]: entry["requests"] for entry in answer["placements"]}
    assert served["llama-2-7b-chat"] <= 5
    assert served["llama-2-70b-chat"] >= 1


def test_a_floor_on_mean_quality_holds(planner_service: PlannerService) -> None:
    constraints = {"min_mean_quality": 0.56}
    answer = plan(planner_service, requests=rows(10), fleet=a100_fleet(), constraints=constraints)
    assert answer["mean_quality"] >= 0.56 - 1e-9


def test_the_same_call_gives_the_same_plan(planner_service: PlannerService) -> None:
    body = {"requests": rows(10), "fleet": a100_fleet(), "constraints": {"min_mean_quality": 0.56}}
    first, second = (plan(planner_service, **body) for _ in range(2))
    assert first["assignments"] == second["assignments"]
    assert first["plan_id"] != second["plan_id"]


def test_given_normalisers_come_back_in_the_answer(planner_service: PlannerService) -> None:
    normalisers = {"energy_joules": 1000.0, "quality": 500.0}
    objective = {"zeta": 0.5, "normalisers": normalisers}
    answer = plan(planner_service, requests=rows(), fleet=a100_fleet(), objective=objective)
    assert answer["normalisers"] == normalisers


TOO_LONG = {"id": "long", "input_tokens": 5000, "output_tokens": 10}


def test_an_unplaceable_request_refuses_the_call_with_its_pointer(
    planner_service: PlannerService,
) -> None:
    body = {"requests": [*rows(2), TOO_LONG], "fleet": a100_fleet()}
    status, problem, outcome = call(planner_service, body)
    assert (status, outcome) == (422, "unplaceable")
    assert pointers(problem) == ["/requests/2"]
    assert "context" in problem["errors"][0]["detail"]


def test_an_unplaceable_request_is_listed_where_that_is_asked_for(
    planner_service: PlannerService,
) -> None:
    answer = plan(
        planner_service,
        requests=[rows(1)[0], TOO_LONG, {**rows(1)[0], "id": "last"}],
        fleet=a100_fleet(),
        on_unplaceable="report",
    )
    assert [entry["id"] for entry in answer["assignments"]] == ["r0", "last"]
    (left_out,) = answer["unplaceable"]
    assert (left_out["id"], left_out["index"]) == ("long", 1)
    assert "context" in left_out["reason"]


def test_a_call_of_unplaceable_requests_only_is_refused(planner_service: PlannerService) -> None:
    body = {"requests": [TOO_LONG], "fleet": a100_fleet(), "on_unplaceable": "report"}
    assert call(planner_service, body)[2] == "unplaceable"


def test_the_tighter_context_limit_counts(planner_service: PlannerService) -> None:
    fleet = {**a100_fleet(), "max_context_tokens": {"llama-2-7b-chat": 120}}
    answer = plan(planner_service, requests=rows(1), fleet=fleet)
    assert answer["assignments"][0]["llm"] != "llama-2-7b-chat"


def test_predict_gives_every_request_on_every_placement(planner_service: PlannerService) -> None:
    body = {"requests": [rows(1)[0], TOO_LONG], "fleet": a100_fleet()}
    status, answer, _ = call(planner_service, body, "predict")
    assert status == 200, answer
    checked(answer, PredictAnswer)
    assert [p["llm"] for p in answer["placements"]] == [
        "llama-2-7b-chat",
        "llama-2-13b-chat",
        "llama-2-70b-chat",
    ]
    for name in ("energy_joules", "device_seconds", "runtime_seconds", "extrapolated"):
        assert answer[name][1] == [None] * 3
        assert None not in answer[name][0]
    low, value, high = (
        answer[name][0][0] for name in ("energy_low_joules", "energy_joules", "energy_high_joules")
    )
    assert low < value < high


def test_predict_and_plan_name_the_placements_alike(planner_service: PlannerService) -> None:
    _, predicted, _ = call(planner_service, {"requests": rows()}, "predict")
    planned = plan(planner_service, requests=rows())
    keys = ("index", "llm", "pool", "device", "concurrency")
    assert predicted["placements"] == [{k: p[k] for k in keys} for p in planned["placements"]]
