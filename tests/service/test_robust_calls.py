"""Quantiles of lengths and a confidence, from body to answer."""

from typing import Any

import pytest

from service.calls.planner_service import PlannerService
from service.calls.schemas.answers import PlanAnswer
from service.calls.schemas.information import ProblemAnswer
from tests.service.answers import checked
from tests.service.bodies import Json, a100_fleet, call, pointers

QUANTILES = {"p50": 90, "p90": 300}
RESIDENT = ["llama-2-7b-chat", "llama-2-13b-chat"]


def rows(count: int = 10, output_tokens: Any = QUANTILES) -> list[Json]:
    return [{"input_tokens": 100 + i, "output_tokens": output_tokens} for i in range(count)]


def body(**changes: Any) -> Json:
    return {"requests": rows(), "fleet": a100_fleet(resident=RESIDENT), **changes}


def plan(service: PlannerService, request: Json) -> Json:
    status, answer, _ = call(service, request)
    assert status == 200, answer
    checked(answer, PlanAnswer)
    return answer


def test_a_confident_plan_reports_its_price(planner_service: PlannerService) -> None:
    plain = plan(planner_service, body(constraints={"deadline_seconds": 120}))
    assert plain["robustness"] is None
    limits = {"deadline_seconds": 120, "confidence": 0.9}
    answer = plan(planner_service, body(constraints=limits))
    robustness = answer["robustness"]
    assert robustness["confidence"] == 0.9
    assert robustness["estimated_confidence"] >= 0.9
    assert robustness["padding"] >= 1.0
    assert robustness["scenarios"] == 2000
    without_j = robustness["energy_joules_without"]
    assert without_j == pytest.approx(plain["energy_joules"]["value"], rel=1e-3)
    assert answer["energy_joules"]["value"] == pytest.approx(
        without_j * (1 + robustness["extra_energy_ratio"])
    )
    assert answer["makespan_seconds"] <= 120


def test_rows_and_both_kinds_of_columns_give_the_same_plan(
    planner_service: PlannerService,
) -> None:
    limits = {"deadline_seconds": 120, "confidence": 0.8}
    fleet = a100_fleet(resident=RESIDENT)
    prompts = [100 + i for i in range(10)]
    answers = [
        plan(planner_service, {"requests": rows(), "fleet": fleet, "constraints": limits}),
        plan(
            planner_service,
            {
                "columns": {"input_tokens": prompts, "output_tokens": [QUANTILES] * 10},
                "fleet": fleet,
                "constraints": limits,
            },
        ),
        plan(
            planner_service,
            {
                "columns": {
                    "input_tokens": prompts,
                    "output_tokens": {"p90": [300] * 10, "p50": [90] * 10},
                },
                "fleet": fleet,
                "constraints": limits,
            },
        ),
    ]
    placements = [entry["placement"] for entry in answers[0]["assignments"]]
    for answer in answers[1:]:
        assert answer["columns"]["placement"] == placements
        assert answer["robustness"] == answers[0]["robustness"]


def test_joules_of_quantiles_are_means_over_the_lengths(planner_service: PlannerService) -> None:
    counts = [plan(planner_service, body(requests=rows(1, n))) for n in (90, 300)]
    low, high = (answer["energy_joules"]["requests"] for answer in counts)
    found = plan(planner_service, body(requests=rows(1)))["energy_joules"]["requests"]
    assert low < found < high


def test_numbers_and_quantiles_mix(planner_service: PlannerService) -> None:
    mixed = [*rows(2), *rows(2, 50), *rows(1, {"p05": 3, "p50": 50.5, "p99": 400})]
    answer = plan(planner_service, body(requests=mixed))
    assert len(answer["assignments"]) == 5
    by_column = {
        "input_tokens": [row["input_tokens"] for row in mixed],
        "output_tokens": [row["output_tokens"] for row in mixed],
    }
    fleet = a100_fleet(resident=RESIDENT)
    same = plan(planner_service, {"columns": by_column, "fleet": fleet})
    assert same["columns"]["energy_joules"] == [
        entry["energy_joules"] for entry in answer["assignments"]
    ]


def test_equal_quantiles_plan_like_a_number(planner_service: PlannerService) -> None:
    number = plan(planner_service, body(requests=rows(4, 80)))
    certain = plan(planner_service, body(requests=rows(4, {"p50": 80, "p90": 80})))
    for key in ("assignments", "energy_joules", "objective", "lower_bound"):
        assert certain[key] == number[key]


def test_a_confidence_without_a_deadline_warns(planner_service: PlannerService) -> None:
    answer = plan(planner_service, body(constraints={"confidence": 0.9}))
    assert answer["robustness"]["estimated_confidence"] == 1.0
    assert "confidence_without_deadline" in {w["code"] for w in answer["warnings"]}


def test_a_confidence_out_of_reach_says_what_is_within_it(
    planner_service: PlannerService,
) -> None:
    request = body(requests=rows(1), constraints={"deadline_seconds": 9, "confidence": 0.95})
    status, problem, _ = call(planner_service, request)
    checked(problem, ProblemAnswer)
    assert (status, problem["type"]) == (422, "urn:jouleplan:problem:confidence-unattained")
    assert problem["conflict"] == ["confidence", "deadline_seconds"]
    assert pointers(problem) == ["/constraints/confidence", "/constraints/deadline_seconds"]
    assert 0.5 < problem["attainable_confidence"] < 0.95
    needed = {r["constraint"]: r["needed"] for r in problem["relaxations"]}
    assert needed["confidence"] <= problem["attainable_confidence"]
    for change in (
        {"deadline_seconds": 9, "confidence": needed["confidence"]},
        {"deadline_seconds": needed["deadline_seconds"] * 1.0001, "confidence": 0.95},
    ):
        assert plan(planner_service, body(requests=rows(1), constraints=change))["robustness"]


def test_predictions_take_quantiles(planner_service: PlannerService) -> None:
    status, answer, _ = call(planner_service, {"requests": rows(2)}, "predict")
    assert status == 200
    assert all(value > 0 for row in answer["energy_joules"] for value in row)


BAD: dict[str, tuple[Json, str]] = {
    "one quantile": ({"requests": rows(1, {"p50": 10})}, "/requests/0/output_tokens"),
    "falling": ({"requests": rows(1, {"p50": 10, "p90": 9})}, "/requests/0/output_tokens"),
    "no such quantile": (
        {"requests": rows(1, {"p50": 10, "p100": 19})},
        "/requests/0/output_tokens/p100",
    ),
    "below a token": (
        {"requests": rows(1, {"p50": 0, "p90": 9})},
        "/requests/0/output_tokens/p50",
    ),
    "text in a quantile": (
        {"requests": rows(1, {"p50": "10", "p90": 19})},
        "/requests/0/output_tokens/p50",
    ),
    "a list for a row": ({"requests": rows(1, [10, 20])}, "/requests/0/output_tokens"),
    "a bad entry of a mixed column": (
        {"columns": {"input_tokens": [1, 1], "output_tokens": [QUANTILES, 0]}},
        "/columns/output_tokens/1",
    ),
    "a bad object of a mixed column": (
        {"columns": {"input_tokens": [1, 1], "output_tokens": [5, {"p50": 1}]}},
        "/columns/output_tokens/1",
    ),
    "short quantile columns": (
        {"columns": {"input_tokens": [1, 1], "output_tokens": {"p50": [1, 2], "p90": [2]}}},
        "/columns/output_tokens/p90",
    ),
    "falling quantile columns": (
        {"columns": {"input_tokens": [1, 1], "output_tokens": {"p50": [1, 5], "p90": [2, 4]}}},
        "/columns/output_tokens/p90/1",
    ),
    "one quantile column": (
        {"columns": {"input_tokens": [1], "output_tokens": {"p50": [1]}}},
        "/columns/output_tokens",
    ),
    "a bad value in a quantile column": (
        {"columns": {"input_tokens": [1, 1], "output_tokens": {"p50": [1, 0], "p90": [2, 2]}}},
        "/columns/output_tokens/p50/1",
    ),
    "too little confidence": (body(constraints={"confidence": 0.4}), "/constraints/confidence"),
    "too much confidence": (body(constraints={"confidence": 1.0}), "/constraints/confidence"),
    "confidence as text": (body(constraints={"confidence": "0.9"}), "/constraints/confidence"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_estimate_is_refused_with_its_pointer(
    planner_service: PlannerService, name: str
) -> None:
    request, pointer = BAD[name]
    status, problem, _ = call(planner_service, request)
    checked(problem, ProblemAnswer)
    assert (status, pointers(problem)) == (422, [pointer])


@pytest.mark.parametrize("output_tokens", [1, 5, 10])
def test_the_shortest_answers_have_intervals_and_confident_plans(
    planner_service: PlannerService, output_tokens: int
) -> None:
    limits = {"deadline_seconds": 60, "confidence": 0.9}
    requests = [{"input_tokens": 8, "output_tokens": output_tokens}] * 10
    answer = plan(planner_service, body(requests=requests, constraints=limits))
    energy = answer["energy_joules"]
    assert energy["high"] < 2 * energy["value"]
    assert energy["low"] > 0.5 * energy["value"]
    assert answer["robustness"]["estimated_confidence"] >= 0.9
