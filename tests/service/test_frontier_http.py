"""Fronts over HTTP: lines as they are found, events, leavers, what breaks on the way."""

import json

import httpx
import pytest

from service.app import compose
from service.calls.schemas.frontier import EndsLine, PointLine, ProblemLine, SummaryLine
from service.settings.settings import Settings
from tests.service.answers import checked
from tests.service.bodies import Json, a100_fleet, rows
from tests.service.server import Server
from tests.service.workers import worker_mains
from tests.waiting import wait_until

SCHEMAS = {"ends": EndsLine, "point": PointLine, "summary": SummaryLine, "problem": ProblemLine}
BODY = {
    "requests": rows(30),
    "fleet": a100_fleet(),
    "frontier": {"axes": ["energy", "mean_quality"], "points": 30},
    "solver": {"time_limit_seconds": 60},
}


def checked_line(line: Json) -> Json:
    """Return a line of a front that is as its type declares it."""
    return checked(line, SCHEMAS[line["type"]])


def fronts_counted(server: Server) -> float:
    """Return how many fronts have come to an end, whatever the end."""
    lines = server.client.get("/metrics").text.splitlines()
    counted = [line for line in lines if line.startswith("jouleplan_frontier_requests_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in counted)


@pytest.mark.parametrize("path", ["/plan/frontier", "/v1/plan/frontier"])
def test_lines_arrive_while_the_front_is_still_being_walked(server: Server, path: str) -> None:
    before = fronts_counted(server)
    with server.client.stream("POST", path, json=BODY) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/x-ndjson"
        lines = response.iter_lines()
        first = checked_line(json.loads(next(lines)))
        assert first["type"] == "ends"
        # A front is counted when its last line is out: the first one did not wait for it.
        assert fronts_counted(server) == before
        rest = [checked_line(json.loads(line)) for line in lines]
    assert rest[-1]["type"] == "summary"
    assert [line["index"] for line in rest[:-1]] == list(range(rest[-1]["points"]))
    assert rest[-1]["points"] > 3
    assert fronts_counted(server) == before + 1


def test_events_carry_the_same_lines(server: Server) -> None:
    body = {**BODY, "frontier": {"axes": ["energy", "mean_quality"], "points": 3}}
    accept = {"Accept": "text/event-stream"}
    with server.client.stream("POST", "/plan/frontier", json=body, headers=accept) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = response.read().decode().split("\n\n")
    assert events.pop() == ""
    names = []
    for event in events:
        name, data = event.split("\n")
        line = checked_line(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {line['type']}"
        names.append(line["type"])
    assert names[0] == "ends"
    assert names[-1] == "summary"
    assert set(names[1:-1]) == {"point"}


def test_a_caller_who_leaves_ends_the_work(server: Server) -> None:
    worker = server.worker_pids()
    with server.client.stream("POST", "/plan/frontier", json=BODY) as response:
        next(response.iter_lines())
    wait_until(lambda: set(server.worker_pids()).isdisjoint(worker))
    planned = server.post("/plan", {"requests": rows(), "fleet": a100_fleet()})
    assert planned.status_code == 200


def test_a_refusal_is_a_problem_and_no_stream(server: Server) -> None:
    refused = server.post("/plan/frontier", {**BODY, "constraints": {"deadline_seconds": 0.5}})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["conflict"] == ["deadline_seconds"]
    plain = server.client.post("/plan/frontier", content=b"{}", headers={"Content-Type": "text/a"})
    assert plain.status_code == 415


def test_fronts_are_counted_by_outcome_and_their_points(server: Server) -> None:
    text = server.client.get("/metrics").text
    assert 'jouleplan_frontier_requests_total{status="complete"}' in text
    assert "jouleplan_frontier_points_total" in text
    assert "jouleplan_frontier_duration_seconds_bucket" in text


@pytest.mark.anyio
async def test_what_breaks_on_the_way_is_reported_in_the_last_line(settings: Settings) -> None:
    app = compose(settings, worker_main=worker_mains.break_off).app
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        response = await client.post("/plan/frontier", json={})
    assert response.status_code == 200
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [line["type"] for line in lines] == ["ends", "point", "problem"]
    problem = checked_line(lines[-1])["problem"]
    assert problem["type"] == "urn:jouleplan:problem:worker-lost"
    assert problem["instance"] == "/plan/frontier"
