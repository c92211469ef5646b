"""What a plan warns of: other provenance, LLMs nobody chose, what was not measured."""

import pytest

from service.calls.planner_service import PlannerService
from tests.service.answers import codes, plan
from tests.service.bodies import Json, a100_fleet, call, pointers, rows


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
