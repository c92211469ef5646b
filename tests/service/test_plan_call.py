"""Plans of good calls: shape, rows and columns alike, what is left out, what is warned of."""

from typing import Any

import pytest

from service.calls.planner_service import PlannerService
from service.calls.schemas.answers import PlanAnswer, PredictAnswer
from tests.service.answers import checked
from tests.service.bodies import Json, a100_fleet, call, columns, pointers, rows


def plan(service: PlannerService, **body: Any) -> Json:
    status, answer, _ = call(service, body)
    assert status == 200, answer
    checked(answer, PlanAnswer)
    return answer


def codes(answer: Json) -> set[str]:
    return {warning["code"] for warning in answer["warnings"]}


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


def mixed_fleet() -> Json:
    fleet = a100_fleet()
    fleet["pools"].append(
        {
            "name": "h100",
            "device": "1xh100",
            "llms": ["llama-3.1-8b-instruct"],
            "concurrency": [32],
            "resident": ["llama-3.1-8b-instruct"],
        }
    )
    return fleet


def test_cost_models_that_were_measured_otherwise_are_not_mixed(
    planner_service: PlannerService,
) -> None:
    status, problem, outcome = call(planner_service, {"requests": rows(), "fleet": mixed_fleet()})
    assert (status, outcome) == (422, "mixed-provenance")
    assert pointers(problem) == ["/allow_mixed_provenance"]
    for named in ("KV cache", "engine", "vllm", "llama-3.1-8b-instruct on 1xh100"):
        assert named in problem["detail"]


def test_mixed_cost_models_are_warned_of_by_name_where_they_are_allowed(
    planner_service: PlannerService,
) -> None:
    answer = plan(
        planner_service, requests=rows(), fleet=mixed_fleet(), allow_mixed_provenance=True
    )
    (warning,) = [w for w in answer["warnings"] if w["code"] == "mixed_provenance"]
    assert "llama-3.1-8b-instruct on 1xh100" in warning["message"]


def test_only_placements_that_some_request_may_take_must_match(
    planner_service: PlannerService,
) -> None:
    requests = [{**row, "llms": ["llama-2-7b-chat"]} for row in rows()]
    answer = plan(planner_service, requests=requests, fleet=mixed_fleet())
    assert "mixed_provenance" not in codes(answer)


@pytest.mark.parametrize(
    ("requests", "constraints", "is_warned"),
    [
        (rows(), {}, True),
        ([{**row, "llms": ["llama-2-7b-chat"]} for row in rows()], {}, False),
        ([{**row, "min_quality": 0.5} for row in rows()], {}, False),
        (rows(), {"min_mean_quality": 0.5}, False),
        (rows(), {"shares": {"llama-2-7b-chat": {"max": 0.9}}}, False),
    ],
)
def test_a_choice_of_llm_that_nobody_made_is_warned_of(
    planner_service: PlannerService, requests: list[Json], constraints: Json, is_warned: bool
) -> None:
    body = {"requests": requests, "fleet": a100_fleet(), "constraints": constraints}
    assert ("llm_substitution" in codes(plan(planner_service, **body))) is is_warned


def test_what_was_not_measured_is_warned_of(planner_service: PlannerService) -> None:
    answer = plan(planner_service, requests=rows(40))
    assert {"mixed_lengths_unknown", "extrapolated"} <= codes(answer)
    assert answer["energy_joules"]["low"] is None


@pytest.mark.parametrize(
    ("power_policy", "idle_watts", "is_warned"),
    [("always_on", None, True), ("always_on", 57.0, False), ("power_down", None, False)],
)
def test_idle_power_is_missed_only_where_it_would_be_charged(
    planner_service: PlannerService, power_policy: str, idle_watts: float | None, is_warned: bool
) -> None:
    fleet = a100_fleet(power_policy=power_policy, idle_watts=idle_watts)
    answer = plan(planner_service, requests=rows(), fleet=fleet)
    assert ("idle_unknown" in codes(answer)) is is_warned


def test_an_llm_whose_load_was_not_measured_serves_only_where_resident(
    planner_service: PlannerService,
) -> None:
    fleet = mixed_fleet()
    fleet["pools"] = fleet["pools"][-1:]
    fleet["pools"][0]["resident"] = []
    fleet["quality"] = {}
    status, problem, _ = call(planner_service, {"requests": rows(), "fleet": fleet})
    assert status == 422
    assert "load" in problem["errors"][0]["detail"]


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


def test_every_plan_says_what_its_limits_cost(planner_service: PlannerService) -> None:
    limits = {"deadline_seconds": 3600.0, "min_mean_quality": 0.6}
    answer = plan(planner_service, requests=rows(20), fleet=a100_fleet(), constraints=limits)
    found = {entry["constraint"]: entry for entry in answer["shadow_prices"]}
    assert found["min_mean_quality"]["unit"] == "point"
    assert found["min_mean_quality"]["energy_joules"] > 0.0
    assert {"deadline_seconds", "pools/a100/device_seconds"} <= found.keys()


def test_an_explained_plan_names_other_placements_alike_in_rows_and_columns(
    planner_service: PlannerService,
) -> None:
    terms = {"fleet": a100_fleet(), "constraints": {"min_mean_quality": 0.6}, "explain": True}
    by_row = plan(planner_service, requests=rows(20), **terms)
    by_column = plan(planner_service, columns=columns(20), **terms)["alternatives"]
    for i, entry in enumerate(by_row["assignments"]):
        own = entry["placement"]
        assert own not in [other["placement"] for other in entry["alternatives"]]
        for j, other in enumerate(entry["alternatives"]):
            assert other["placement"] == by_column["placement"][i][j]
            assert other["extra_joules"] == by_column["extra_joules"][i][j]
            assert other["stopped_by"] == by_column["reasons"][by_column["stopped_by"][i][j]]
            assert other["stopped_by"]


@pytest.mark.parametrize("constraints", [{}, {"confidence": 0.9}])
def test_an_explanation_names_the_deadline_that_binds_and_not_one_that_prints_alike(
    planner_service: PlannerService, constraints: Json
) -> None:
    """Long answers, due first, fill the first pool; long prompts are better off on the second."""
    fleet = a100_fleet(llms=["llama-2-7b-chat"], resident=["llama-2-7b-chat"])
    fleet["pools"][1] |= {"count": 20, "resident": ["llama-2-70b-chat"]}
    del fleet["quality"]["llama-2-13b-chat"]
    requests = [
        {"input_tokens": 10, "output_tokens": 400 + i, "deadline_seconds": 420.01}
        if i % 3
        else {"input_tokens": 2000, "output_tokens": 10, "deadline_seconds": 420.0104}
        for i in range(60)
    ]
    del requests[0]["deadline_seconds"]
    terms = {"fleet": fleet, "objective": {"zeta": 0.4}, "explain": True}
    answer = plan(planner_service, requests=requests, constraints=constraints, **terms)
    reasons: dict[tuple[bool, str], set[str]] = {}
    for i, entry in enumerate(answer["assignments"]):
        (other,) = entry["alternatives"]
        reasons.setdefault((i % 3 > 0, entry["pool"]), set()).update(other["stopped_by"])
    assert reasons == {
        (True, "a100"): {"cost"},
        (True, "4xa100"): {"pools/a100/device_seconds"},
        (False, "4xa100"): {"cost"},
    }


@pytest.mark.parametrize("limit_s", [0.02, 0.5, 5.0])
def test_alternatives_are_found_in_time_or_left_out_and_reported(
    planner_service: PlannerService, limit_s: float
) -> None:
    n = 60_000
    lengths = {"input_tokens": [10] * n, "output_tokens": [10 + i % 400 for i in range(n)]}
    terms = {"fleet": a100_fleet(), "explain": True, "solver": {"time_limit_seconds": limit_s}}
    status, answer, outcome = call(planner_service, {"columns": lengths, **terms})
    if status == 503:
        assert (outcome, limit_s < 1.0) == ("undecided", True)
        return
    spent = answer["timings_seconds"]
    assert spent["predict"] + spent["solve"] <= 1.1 * limit_s + 0.5
    assert ("alternatives" in answer) != ("alternatives_unknown" in codes(answer))


def test_nobody_explains_more_requests_than_anybody_reads(planner_service: PlannerService) -> None:
    many = {"input_tokens": [10] * 100_001, "output_tokens": [10] * 100_001}
    status, problem, _ = call(planner_service, {"columns": many, "explain": True})
    assert status == 422
    assert pointers(problem) == ["/explain"]
