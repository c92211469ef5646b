"""The example of the documentation, word for word, is a call that is answered."""

import orjson

from service.calls.planner_service import PlannerService
from service.calls.schemas.answers import PlanAnswer
from tests.service.answers import checked
from tests.service.bodies import call

EXAMPLE = b"""
{"requests": [{"id": "r1", "input_tokens": 812, "output_tokens": 154,
               "llms": ["llama-2-7b-chat"], "pools": ["a100"], "min_quality": 0.5,
               "deadline_seconds": 600}],
 "fleet": {"pools": [{"name": "a100", "device": "1xa100-sxm4-40gb", "count": 2,
                      "llms": ["llama-2-7b-chat"],
                      "concurrency": [1], "idle_watts": 57.0, "resident": ["llama-2-7b-chat"],
                      "power_policy": "power_down",
                      "available_seconds": 3600}],
           "quality": {"llama-2-7b-chat": 0.5097}},
 "objective": {"zeta": 1.0},
 "constraints": {"deadline_seconds": 3600, "max_energy_joules": 5e6, "min_mean_quality": 0.5,
                 "shares": {"llama-2-7b-chat": {"min": 0.0, "max": 1.0}}},
 "solver": {"time_limit_seconds": 10, "relative_gap": 0.001, "seed": 0}}
"""
KEYS = [
    "plan_id", "status", "objective", "lower_bound", "absolute_gap", "gap", "cut_by_clock",
    "energy_joules", "makespan_seconds", "mean_quality", "placements", "assignments",
    "baselines", "normalisers", "warnings", "timings_seconds",
]  # fmt: skip
COLUMNS = [
    "id", "placement", "device_index", "start_seconds", "energy_joules", "runtime_seconds",
    "extrapolated",
]  # fmt: skip


def test_the_example_is_planned_and_answered_with_every_member(
    planner_service: PlannerService,
) -> None:
    status, answer, _ = call(planner_service, EXAMPLE)
    assert status == 200, answer
    checked(answer, PlanAnswer)
    assert set(KEYS) <= set(answer)
    assert answer["status"] == "optimal"
    assert set(answer["timings_seconds"]) == {"parse", "predict", "solve", "total"}
    (assignment,) = answer["assignments"]
    assert (assignment["id"], assignment["llm"], assignment["pool"]) == (
        "r1",
        "llama-2-7b-chat",
        "a100",
    )


def test_the_same_as_columns_is_answered_in_columns(planner_service: PlannerService) -> None:
    body = orjson.loads(EXAMPLE)
    (row,) = body.pop("requests")
    body["columns"] = {key: [value] for key, value in row.items()}
    status, answer, _ = call(planner_service, body)
    assert status == 200, answer
    assert list(answer["columns"]) == COLUMNS
    assert "assignments" not in answer


def test_a_floor_that_the_only_llm_misses_is_infeasible_by_name(
    planner_service: PlannerService,
) -> None:
    body = orjson.loads(EXAMPLE)
    body["constraints"]["min_mean_quality"] = 0.55
    status, problem, _ = call(planner_service, body)
    assert status == 422
    assert problem["conflict"] == ["min_mean_quality"]
