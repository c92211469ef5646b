"""What a plan says of its limits and of its requests' alternatives."""

import time

import pytest

from service.calls.planner_service import PlannerService
from tests.service.answers import codes, plan
from tests.service.bodies import Json, a100_fleet, call, columns, pointers, rows


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
    before_s = time.process_time()
    status, answer, outcome = call(planner_service, {"columns": lengths, **terms})
    # A busy machine lets it run for a part of its time only.
    running_s = time.process_time() - before_s
    if status == 503:
        assert outcome == "undecided"
        assert min(limit_s, running_s) < 1.0
        return
    spent = answer["timings_seconds"]
    assert min(spent["predict"] + spent["solve"], running_s) <= 1.1 * limit_s + 0.5
    assert ("alternatives" in answer) != ("alternatives_unknown" in codes(answer))


def test_nobody_explains_more_requests_than_anybody_reads(planner_service: PlannerService) -> None:
    many = {"input_tokens": [10] * 100_001, "output_tokens": [10] * 100_001}
    status, problem, _ = call(planner_service, {"columns": many, "explain": True})
    assert status == 422
    assert pointers(problem) == ["/explain"]
