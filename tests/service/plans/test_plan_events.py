"""The events of a plan, read as a client reads them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.calls.schemas.plans import PlanStatusAnswer
from tests.service.answers import checked
from tests.service.bodies import a100_fleet, endless, rows
from tests.service.plans.calls import BODY, events, start, wait_for
from tests.service.server import Server
from tests.waiting import PATIENCE_S


@pytest.fixture(scope="module")
def own(models_dir: Path) -> Iterator[Server]:
    environment = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_HEARTBEAT_SECONDS": "0.2",
    }
    with Server(environment) as running:
        running.wait_until_ready()
        yield running


def queued_behind_a_long_one(own: Server) -> tuple[str, str]:
    busy = start(own, endless())
    return busy, start(own, {"requests": rows(50), "fleet": a100_fleet()})


def test_every_phase_is_received_in_order_and_the_end_closes_the_stream(own: Server) -> None:
    busy, path = queued_behind_a_long_one(own)
    with own.client.stream("GET", f"{path}/events") as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        received = []
        for event in events(response):
            received.append(event)
            if len(received) == 1:
                own.client.delete(busy)
    numbered = [event for event in received if event.number is not None]
    for event in numbered:
        checked(event.state, PlanStatusAnswer)
    numbers = [event.number for event in numbered]
    assert numbers == list(range(1, len(numbered) + 1))
    phases = list(dict.fromkeys(event.state["phase"] for event in numbered))
    assert phases[:4] == [None, "reading", "predicting", "relaxing"]
    assert [event.name for event in numbered] == ["progress"] * (len(numbered) - 1) + ["end"]
    assert numbered[0].state["status"] == "queued"
    assert numbered[-1].state["status"] == "finished"
    assert own.client.get(numbered[-1].state["links"]["result"]).status_code == 200


def test_a_silence_is_filled_with_comments(own: Server) -> None:
    busy, path = queued_behind_a_long_one(own)
    with own.client.stream("GET", f"{path}/events") as response:
        received = [event.name for event, _ in zip(events(response), range(3), strict=False)]
    assert received == ["progress", "comment", "comment"]
    own.client.delete(path)
    own.client.delete(busy)


def test_a_listener_that_comes_back_receives_what_it_missed(own: Server) -> None:
    busy, path = queued_behind_a_long_one(own)
    with own.client.stream("GET", f"{path}/events") as response:
        first = next(events(response))
    own.client.delete(busy)
    wait_for(own, path, "running", "finished")
    resumed = {"Last-Event-ID": str(first.number)}
    with own.client.stream("GET", f"{path}/events", headers=resumed) as response:
        received = [event for event in events(response) if event.number is not None]
    assert first.number is not None
    assert received[0].number is not None
    if len(received) > 1:
        assert received[0].number == first.number + 1
    last = str(received[-1].number)
    again = own.client.get(f"{path}/events", headers={"Last-Event-ID": last})
    assert (again.status_code, again.content) == (204, b"")
    with own.client.stream("GET", f"{path}/events") as response:
        assert [event.name for event in events(response)] == ["end"]


@pytest.mark.parametrize("last", ["x", "-1", "", "9" * 40, "999999"])
def test_an_odd_last_event_id_still_receives_the_end(own: Server, last: str) -> None:
    path = start(own, BODY)
    with own.client.stream("GET", f"{path}/events", headers={"Last-Event-ID": last}) as response:
        assert [event.name for event in events(response)][-1] == "end"


def test_the_plan_itself_is_streamed_to_whom_accepts_events(own: Server) -> None:
    path = start(own, BODY)
    with own.client.stream("GET", path, headers={"Accept": "text/event-stream"}) as response:
        assert [event.name for event in events(response)][-1] == "end"


def test_whoever_listens_receives_that_the_plan_was_cancelled(own: Server) -> None:
    path = start(own, endless())
    with own.client.stream("GET", f"{path}/events") as response:
        stream = events(response)
        while next(stream).state.get("status") != "running":
            pass
        own.client.delete(path)
        ends = [event for event in stream if event.name == "end"]
    assert [event.state["status"] for event in ends] == ["cancelled"]


def test_many_listeners_receive_the_same(own: Server) -> None:
    busy, path = queued_behind_a_long_one(own)
    with (
        own.client.stream("GET", f"{path}/events") as one,
        own.client.stream("GET", f"{path}/events") as other,
    ):
        own.client.delete(busy)
        received = [
            [(event.number, event.name) for event in events(response) if event.number is not None]
            for response in (one, other)
        ]
    assert received[0] == received[1]


def test_a_service_that_stops_ends_the_streams_at_once(models_dir: Path) -> None:
    environment = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        # For calls in flight; a stream that waited for it would outlast the test.
        "JOULEPLAN_SHUTDOWN_SECONDS": "600",
    }
    with Server(environment) as own:
        own.wait_until_ready()
        path = start(own, endless())
        wait_for(own, path, "running")
        with own.client.stream("GET", f"{path}/events") as response:
            own.process.terminate()
            received = [event for event in events(response) if event.number is not None]
        assert own.process.wait(timeout=PATIENCE_S) == 0
        assert received[-1].state["status"] == "interrupted"
