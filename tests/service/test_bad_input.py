"""Bodies that are refused: with the right status, the pointer and plain words."""

from typing import Any

import orjson
import pytest

from service.calls.planner_service import PlannerService
from service.calls.schemas.information import ProblemAnswer
from tests.service.answers import checked
from tests.service.bodies import Json, a100_fleet, call, columns, limits, pointers, row, rows


def fleet(**changes: Any) -> Json:
    return {"requests": rows(), "fleet": a100_fleet(**changes)}


BAD: dict[str, tuple[Json | bytes, int, str]] = {
    "unknown key": ({"requests": rows(), "urgent": True}, 422, "/urgent"),
    "unknown key in a row": (row(prioritaet=1), 422, "/requests/0/prioritaet"),
    "negative tokens": (row(input_tokens=-1), 422, "/requests/0/input_tokens"),
    "no output tokens": (row(output_tokens=0), 422, "/requests/0/output_tokens"),
    "huge tokens": (row(output_tokens=10**9), 422, "/requests/0/output_tokens"),
    "astronomic tokens": (
        b'{"requests":[{"input_tokens":1' + b"0" * 400 + b',"output_tokens":1}]}',
        422,
        "/requests/0/input_tokens",
    ),
    "fractional tokens": (row(input_tokens=1.5), 422, "/requests/0/input_tokens"),
    "tokens as text": (row(input_tokens="10"), 422, "/requests/0/input_tokens"),
    "tokens as a truth": (row(input_tokens=True), 422, "/requests/0/input_tokens"),
    "missing tokens": ({"requests": [{"id": "r", "input_tokens": 1}]}, 422, "output_tokens"),
    "no requests": ({"requests": []}, 422, "/requests"),
    "neither rows nor columns": ({}, 422, "/requests"),
    "rows and columns": ({"requests": rows(), "columns": columns()}, 422, "/requests"),
    "empty columns": (
        {"columns": {"input_tokens": [], "output_tokens": []}},
        422,
        "/columns/input_tokens",
    ),
    "columns of unequal length": (
        {"columns": {"input_tokens": [1, 2], "output_tokens": [1]}},
        422,
        "/columns/output_tokens",
    ),
    "repeated ids": ({"requests": [*rows(2), rows(1)[0]]}, 422, "/requests/2/id"),
    "repeated ids in columns": (
        {"columns": {"id": ["a", "a"], "input_tokens": [1, 2], "output_tokens": [1, 2]}},
        422,
        "/columns/id/1",
    ),
    "an id like a default one": (
        {"requests": [{**rows(1)[0], "id": "1"}, {"input_tokens": 1, "output_tokens": 1}]},
        422,
        "/requests/1/id",
    ),
    "empty id": (row(id=""), 422, "/requests/0/id"),
    "number as id": (row(id=7), 422, "/requests/0/id"),
    "unknown LLM": (row(llms=["gpt-nano"]), 422, "/requests/0/llms/0"),
    "unknown pool": (row(pools=["tpu"]), 422, "/requests/0/pools/0"),
    "LLM in capitals": (row(llms=["Llama-2-7B-chat"]), 422, "/requests/0/llms/0"),
    "path as LLM": (row(llms=["../../etc/passwd"]), 422, "/requests/0/llms/0"),
    "no LLM at all": (row(llms=[]), 422, "/requests/0/llms"),
    "quality above 1": (row(min_quality=50.97), 422, "/requests/0/min_quality"),
    "deadline of zero": (row(deadline_seconds=0), 422, "/requests/0/deadline_seconds"),
    "NaN": (b'{"requests":[{"input_tokens":NaN,"output_tokens":1}]}', 422, "/input_tokens"),
    "NaN deadline": (
        b'{"requests":[{"input_tokens":1,"output_tokens":1,"deadline_seconds":NaN}]}',
        422,
        "/requests/0/deadline_seconds",
    ),
    "infinite deadline": (
        b'{"requests":[{"input_tokens":1,"output_tokens":1}],'
        b'"constraints":{"deadline_seconds":1e999}}',
        422,
        "/constraints/deadline_seconds",
    ),
    "zeta above 1": ({"requests": rows(), "objective": {"zeta": 2}}, 422, "/objective/zeta"),
    "share above 1": (
        limits(shares={"llama-2-7b-chat": {"max": 5}}),
        422,
        "/constraints/shares/llama-2-7b-chat/max",
    ),
    "share of an unknown LLM": (
        limits(shares={"gpt-nano": {"max": 0.5}}),
        422,
        "/constraints/shares/gpt-nano",
    ),
    "least requests of an unknown LLM": (
        limits(min_requests={"gpt-nano": 1}),
        422,
        "/constraints/min_requests/gpt-nano",
    ),
    "shares upside down": (
        limits(shares={"llama-2-7b-chat": {"min": 0.9, "max": 0.1}}),
        422,
        "/constraints/shares/llama-2-7b-chat",
    ),
    "shares beyond the whole": (
        limits(shares={"llama-2-7b-chat": {"min": 0.8}, "llama-2-13b-chat": {"min": 0.8}}),
        422,
        "/constraints/shares",
    ),
    "long time limit": (
        {"requests": rows(), "solver": {"time_limit_seconds": 9999}},
        422,
        "/solver/time_limit_seconds",
    ),
    "negative seed": ({"requests": rows(), "solver": {"seed": -1}}, 422, "/solver/seed"),
    "odd word": ({"requests": rows(), "on_unplaceable": "drop"}, 422, "/on_unplaceable"),
    "unknown device": (fleet(device="1xtpu-v9"), 422, "/fleet/pools/0/device"),
    "LLM without cost model": (fleet(llms=["falcon-7b"]), 422, "/fleet/pools/0/llms/0"),
    "repeated LLM": (fleet(llms=["llama-2-7b-chat"] * 2), 422, "/fleet/pools/0/llms/1"),
    "two pools of a name": (fleet(name="4xa100"), 422, "/fleet/pools/1/name"),
    "concurrency beyond the profile": (
        fleet(concurrency=[64]),
        422,
        "/fleet/pools/0/concurrency/0",
    ),
    "repeated concurrency": (fleet(concurrency=[1, 1]), 422, "/fleet/pools/0/concurrency/1"),
    "resident stranger": (fleet(resident=["llama-2-70b-chat"]), 422, "/fleet/pools/0/resident/0"),
    "negative idle power": (fleet(idle_watts=-5), 422, "/fleet/pools/0/idle_watts"),
    "no pools": ({"requests": rows(), "fleet": {"pools": []}}, 422, "/fleet/pools"),
    "quality of a stranger": (
        {"requests": rows(), "fleet": {**a100_fleet(), "quality": {"gpt-nano": 0.1}}},
        422,
        "/fleet/quality/gpt-nano",
    ),
    "not an object": (b"[]", 422, ""),
    "null": (b"null", 422, ""),
    "empty body": (b"", 400, ""),
    "no JSON": (b"requests=1", 400, ""),
    "half a body": (b'{"requests": [', 400, ""),
    "two bodies": (b"{}{}", 400, ""),
    "wrong encoding": ('{"requests": "é"}'.encode("latin-1"), 400, ""),
    "UTF-16": ('{"requests": []}'.encode("utf-16"), 400, ""),
    "lone surrogate": (b'{"requests": "\\ud800"}', 400, ""),
    "ten megabytes of nesting": (b"[" * 10_000_000, 400, ""),
    "ten megabytes of closed nesting": (b"[" * 5_000_000 + b"]" * 5_000_000, 400, ""),
    "nested objects": (b'{"fleet":' * 1_000_000 + b"1" + b"}" * 1_000_000, 400, ""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_plan_call_is_refused_with_a_pointer(
    planner_service: PlannerService, name: str
) -> None:
    body, status, pointer = BAD[name]
    got, problem, _ = call(planner_service, body)
    checked(problem, ProblemAnswer)
    assert got == status, problem
    assert problem["status"] == status
    assert any(found.endswith(pointer) for found in pointers(problem)), problem
    assert "Traceback" not in str(problem)


def test_predict_refuses_the_terms_of_a_plan(planner_service: PlannerService) -> None:
    body = {"requests": rows(), "constraints": {"deadline_seconds": 1.0}}
    status, problem, _ = call(planner_service, body, "predict")
    assert (status, pointers(problem)) == (422, ["/constraints"])


def test_an_unknown_name_is_reported_with_those_that_are_known(
    planner_service: PlannerService,
) -> None:
    _, problem, _ = call(planner_service, row(llms=["gpt-nano"]))
    assert "llama-3.1-8b-instruct" in problem["errors"][0]["detail"]


def test_no_words_of_a_library_reach_the_caller(planner_service: PlannerService) -> None:
    body = row(output_tokens={"p50": 10, "p90": 5})
    _, problem, _ = call(planner_service, body)
    assert problem["errors"][0]["detail"].startswith("Expected quantiles that do not fall")
    assert "Value error" not in orjson.dumps(problem).decode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (row(input_tokens=None), "Expected a whole number, got null."),
        (
            row(input_tokens="1,024"),
            "Expected a whole number, got '1,024'. Its comma may stand for a decimal point or part "
            "thousands: write numbers with a point, and thousands without a mark.",
        ),
        (row(input_tokens="812"), "Expected a whole number, got '812': write 812, without quotes."),
        (row(input_tokens="many"), "Expected a whole number, got 'many'."),
        (
            row(input_tokens="1.000"),
            "Expected a whole number, got '1.000'. Its point may part thousands: write 1000, or "
            "else 1.",
        ),
        (row(min_quality="0,7"), "Expected a number, got '0,7': write 0.7."),
        (row(min_quality="70%"), "Expected a number, got '70%': write 0.7."),
        (
            row(deadline_seconds="PT1H30M"),
            "Expected seconds as a number, got 'PT1H30M': write 5400.",
        ),
        (row(input_tokens=-5), "Expected at least 0, got -5."),
        (
            b'{"requests":[{"input_tokens":1' + b"0" * 400 + b',"output_tokens":1}]}',
            "Expected at most 10000000, got one of far more digits.",
        ),
        (row(llms={}), "Expected a list, got an object."),
        (row(pools=[]), "Expected a length of at least 1, got 0."),
        (row(id="x" * 300), "Expected a length of at most 256, got 300."),
        (row(min_quality="good"), "Expected a number, got 'good'."),
        (row(hurry=1), "Expected nothing of this name: it is not known here."),
        ({"requests": [{"input_tokens": 1}]}, "Expected a value, got none."),
        (limits(deadline_seconds=0), "Expected a number above 0, got 0."),
        ({**row(), "on_unplaceable": "skip"}, "Expected 'refuse' or 'report', got 'skip'."),
        ({**row(), "explain": "yes"}, "Expected true or false, got 'yes'."),
    ],
)
def test_what_was_expected_and_what_came_is_reported(
    planner_service: PlannerService, body: Json | bytes, message: str
) -> None:
    status, problem, _ = call(planner_service, body)
    assert (status, problem["errors"][0]["detail"]) == (422, message)


def test_confidence_is_refused_for_requests_of_several_choices(
    planner_service: PlannerService,
) -> None:
    certain = limits(confidence=0.9, deadline_seconds=600)
    _, problem, _ = call(planner_service, {**certain, **row(choices=2)})
    assert pointers(problem) == ["/constraints/confidence"]
    assert "several answers, got 0.9" in problem["errors"][0]["detail"]
    status, _, _ = call(planner_service, {**certain, **row(choices=1)})
    assert status == 200


def test_seconds_with_a_unit_are_reported_as_a_number(planner_service: PlannerService) -> None:
    _, problem, _ = call(planner_service, limits(deadline_seconds="10m"))
    assert problem["errors"][0] == {
        "pointer": "/constraints/deadline_seconds",
        "detail": "Expected seconds as a number, got '10m': write 600.",
    }
    _, problem, _ = call(
        planner_service, {"columns": {**columns(), "deadline_seconds": ["1h"] * 3}}
    )
    assert problem["errors"][0]["detail"].endswith("got '1h': write 3600.")


def test_many_field_errors_are_cut_and_counted(planner_service: PlannerService) -> None:
    body = {"requests": [{"input_tokens": -1, "output_tokens": 1}] * 250}
    status, problem, _ = call(planner_service, body)
    assert status == 422
    assert len(problem["errors"]) == 100
    assert problem["errors_omitted"] == 150


def test_pointers_escape_what_a_pointer_must_escape(planner_service: PlannerService) -> None:
    _, problem, _ = call(planner_service, {"requests": rows(), "a/b~c": 1})
    assert pointers(problem) == ["/a~1b~0c"]
