"""Types of bodies and answers over HTTP, small ones and such as travel in files."""

import json
from typing import Any

import pytest

from service.calls.messages import ARROW, JSON
from service.calls.schemas.answers import PlanAnswer
from service.calls.schemas.information import ProblemAnswer
from service.http.routes.negotiation import preferred
from tests.service.answers import checked
from tests.service.arrow_streams import stream, table_of
from tests.service.bodies import a100_fleet, columns
from tests.service.server import Server

TERMS = {"fleet": a100_fleet()}
BODIES = {
    JSON: json.dumps({"columns": columns(), **TERMS}).encode(),
    ARROW: stream(columns(), TERMS),
}


def post(server: Server, media_type: str, accept: str | None, body: bytes | None = None) -> Any:
    headers = {"content-type": media_type} | ({} if accept is None else {"accept": accept})
    return server.client.post("/plan", content=body or BODIES[media_type], headers=headers)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (ARROW, ARROW),
        (ARROW.upper(), ARROW),
        (f"{ARROW};q=0.9, {JSON};q=0.8", ARROW),
        (f"{ARROW};q=0.8, {JSON};q=0.9", JSON),
        (f"{ARROW}, */*;q=0.1", ARROW),
        (f"{ARROW}, */*", ARROW),
        (f"{ARROW}, {JSON}", ARROW),
        (f"{JSON}, {ARROW}", JSON),
        (f"application/*, {JSON};q=0", ARROW),
        (f"{JSON};q=0, {ARROW};q=0", None),
        ("*/*;q=0", None),
        ("text/html", None),
        ("text/html, */*;q=0.01", JSON),
        ("application/problem+json", None),
        (f"{JSON}; charset=utf-8; q=0.7", JSON),
        (f"{JSON};q=nonsense", JSON),
        (f"{JSON};q=-1", JSON),
        (", ,", JSON),
        ("garbage", None),
    ],
)
def test_the_type_that_is_liked_best_is_given(accept: str, expected: str | None) -> None:
    assert preferred(accept, (JSON, ARROW)) == expected


@pytest.mark.parametrize("given", [JSON, ARROW])
@pytest.mark.parametrize("accept", [None, JSON, ARROW])
def test_any_type_of_answer_is_had_for_any_type_of_body(
    server: Server, given: str, accept: str | None
) -> None:
    response = post(server, given, accept)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == (accept or JSON)
    if accept == ARROW:
        table, rest = table_of(response.content)
        answer = {**rest, "columns": table.to_pydict()}
    else:
        answer = response.json()
    checked(answer, PlanAnswer)
    assert answer["columns"]["id"] == ["r0", "r1", "r2"]


def test_a_body_of_rows_can_be_answered_with_a_stream(server: Server) -> None:
    rows = [{"id": "r", "input_tokens": 5, "output_tokens": 6}]
    response = post(server, JSON, ARROW, json.dumps({"requests": rows}).encode())
    assert table_of(response.content)[0].column("id").to_pylist() == ["r"]


@pytest.mark.parametrize("path", ["/plan", "/predict"])
def test_what_nobody_can_give_is_not_acceptable(server: Server, path: str) -> None:
    headers = {"content-type": JSON, "accept": "text/csv"}
    response = server.client.post(path, content=BODIES[JSON], headers=headers)
    assert response.status_code == 406
    assert response.headers["content-type"] == "application/problem+json"
    assert "text/csv" in checked(response.json(), ProblemAnswer)["detail"]


def test_a_stream_that_is_announced_as_json_is_no_json(server: Server) -> None:
    response = post(server, JSON, None, BODIES[ARROW])
    assert response.status_code == 400
    assert response.json()["type"].endswith("malformed-json")


def test_the_parts_of_the_time_are_reported(server: Server) -> None:
    response = post(server, JSON, None)
    parts = [entry.partition(";dur=")[0] for entry in response.headers["server-timing"].split(", ")]
    assert parts == ["parse", "predict", "solve", "write", "total"]
    assert set(response.json()["timings_seconds"]) == {"parse", "predict", "solve", "total"}


@pytest.mark.parametrize("given", [JSON, ARROW])
@pytest.mark.parametrize("accept", [JSON, ARROW])
def test_bodies_that_travel_in_files_arrive_whole(server: Server, given: str, accept: str) -> None:
    n = 20_000
    many = {
        "id": [f"request {i}" for i in range(n)],
        "input_tokens": [i % 900 for i in range(n)],
        "output_tokens": [1 + i % 300 for i in range(n)],
    }
    terms = {"solver": {"relative_gap": 1.0, "time_limit_seconds": 30}}
    body = (
        stream(many, terms) if given == ARROW else json.dumps({"columns": many, **terms}).encode()
    )
    response = post(server, given, accept, body)
    assert response.status_code == 200, response.text[:1000]
    assert len(response.content) == int(response.headers["content-length"]) > 500_000
    table = table_of(response.content)[0] if accept == ARROW else None
    ids = response.json()["columns"]["id"] if table is None else table.column("id").to_pylist()
    assert ids == many["id"]


def test_a_hostile_stream_over_http_leaves_the_worker_alive(server: Server) -> None:
    before = server.worker_pids()
    response = post(server, ARROW, None, BODIES[ARROW][:300] * 1000)
    assert response.status_code == 422
    assert response.json()["type"].endswith("malformed-arrow")
    assert server.worker_pids() == before
