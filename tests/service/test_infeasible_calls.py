"""What a refusal says where no plan keeps the limits."""

import re

import pytest

from service.calls.planner_service import PlannerService
from tests.service.bodies import a100_fleet, call, columns, limits, pointers, row, rows


def test_an_impossible_deadline_is_infeasible_and_says_what_would_do(
    planner_service: PlannerService,
) -> None:
    status, problem, outcome = call(planner_service, limits(deadline_seconds=0.5))
    assert (status, outcome) == (422, "infeasible")
    assert problem["conflict"] == ["deadline_seconds"]
    assert pointers(problem) == ["/constraints/deadline_seconds"]
    (relaxation,) = problem["relaxations"]
    assert relaxation["given"] == 0.5
    assert relaxation["needed"] >= relaxation["needed_lower_bound"] > 0.5
    words = problem["detail"].rpartition("deadline_seconds: 0.5 -> ")[2]
    assert float(words.rstrip(".")) == relaxation["needed"]
    assert problem["cut_by_clock"] is False
    mended = limits(deadline_seconds=relaxation["needed"])
    assert call(planner_service, mended)[0] == 200


def test_a_floor_above_every_score_says_so(planner_service: PlannerService) -> None:
    status, problem, _ = call(planner_service, limits(min_mean_quality=0.95))
    assert (status, problem["conflict"]) == (422, ["min_mean_quality"])
    highest = problem["relaxations"][0]["needed"]
    assert f"No LLM that may serve these requests scores above {highest:g}." in problem["detail"]
    status, problem, _ = call(planner_service, row(min_quality=0.95))
    assert (status, problem["type"]) == (422, "urn:jouleplan:problem:unplaceable")
    assert "no LLM scores 0.95 or more, the highest is 0.784" in problem["errors"][0]["detail"]


def test_a_floor_over_llms_of_unknown_quality_invents_no_highest_score(
    planner_service: PlannerService,
) -> None:
    body = {**row(min_quality=0.5), "fleet": {**a100_fleet(), "quality": {}}}
    status, problem, _ = call(planner_service, body)
    assert (status, problem["type"]) == (422, "urn:jouleplan:problem:unplaceable")
    (error,) = problem["errors"]
    assert "the quality of the LLM is not known" in error["detail"]
    assert "highest" not in error["detail"]


def test_a_floor_that_only_some_requests_reach_says_what_the_mean_can_be(
    planner_service: PlannerService,
) -> None:
    kept = [
        {"input_tokens": 100, "output_tokens": 300, "llms": ["llama-3.1-8b-instruct"]},
        *rows(1),
    ]
    body = {"requests": kept, "constraints": {"min_mean_quality": 0.78}}
    status, problem, _ = call(planner_service, body)
    assert (status, problem["conflict"]) == (422, ["min_mean_quality"])
    reached = re.search(
        r"With the best LLM that may serve each request the mean is ([0-9.]+)\.$",
        problem["detail"].partition(" Enough")[0],
    )
    assert reached is not None
    assert float(reached[1]) == pytest.approx(problem["relaxations"][0]["needed"], rel=1e-4)


def test_a_limit_that_cannot_be_kept_is_pointed_to_where_it_stands(
    planner_service: PlannerService,
) -> None:
    late = {**columns(), "deadline_seconds": [1e-3] * 3}
    status, problem, _ = call(planner_service, {"columns": late})
    assert (status, pointers(problem)) == (422, ["/columns/deadline_seconds"])
    brief = a100_fleet(available_seconds=1e-3)
    there = [{**each, "pools": [brief["pools"][0]["name"]]} for each in rows()]
    status, problem, _ = call(planner_service, {"requests": there, "fleet": brief})
    assert (status, pointers(problem)) == (422, ["/fleet/pools/0/available_seconds"])
