"""What a worker tells while it plans: every phase, else seldom; the planner's own figures."""

import logging
from itertools import repeat
from multiprocessing import Pipe
from threading import Thread
from typing import Any

import numpy as np
import orjson
import pytest

from planner.interruption import run_within
from planner.progress import Progress
from planner.time_budget import TimeBudget
from service.calls.messages import Job, Update
from service.calls.planner_service import PlannerService
from service.workers.process import answer, update_sender
from service.workers.progress_updates import ProgressUpdates
from tests.service.bodies import a100_fleet, rows

BODY = {"requests": rows(30), "fleet": a100_fleet(), "constraints": {"min_mean_quality": 0.53}}


def state_of(phase: str, incumbent: float | None = None) -> Progress:
    return Progress(phase, incumbent, None, None, 0.0)


def published(states: list[tuple[float, Progress]]) -> list[dict[str, object]]:
    received: list[Update] = []
    now = [0.0]
    updates = ProgressUpdates(received.append, clock=lambda: now[0])
    for at, progress in states:
        now[0] = at
        updates(progress)
    return [orjson.loads(update.body) for update in received]


def test_every_phase_is_reported_however_short() -> None:
    states = [
        (0.001 * i, state_of(phase)) for i, phase in enumerate(("reading", "relaxing", "bounding"))
    ]
    assert [t["phase"] for t in published(states)] == ["reading", "relaxing", "bounding"]


def test_better_plans_are_reported_at_most_ten_times_a_second() -> None:
    states = [(0.001 * i, state_of("searching", 5000.0 - i)) for i in range(1000)]
    received = published(states)
    assert 9 <= len(received) <= 10
    assert received[0]["incumbent"] == 5000.0


def test_what_was_held_back_is_reported_with_the_next_phase() -> None:
    states = [
        (0.0, state_of("improving", 3.0)),
        (0.01, state_of("improving", 2.0)),
        (0.02, state_of("end", 2.0)),
    ]
    assert [t["incumbent"] for t in published(states)] == [3.0, 2.0]


def test_a_plan_reports_its_phases_with_falling_incumbents_above_rising_bounds(
    planner_service: PlannerService,
) -> None:
    received: list[Update] = []
    reply = answer(planner_service, Job("plan", orjson.dumps(BODY), "/plan"), received.append)
    assert reply.status == 200, reply.body
    states = [orjson.loads(update.body) for update in received]
    assert {update.kind for update in received} == {"progress"}
    phases = [state_of["phase"] for state_of in states]
    assert phases[:3] == ["reading", "predicting", "relaxing"]
    assert phases[-1] == "writing"
    found = [state_of["incumbent"] for state_of in states if state_of["incumbent"] is not None]
    assert found == sorted(found, reverse=True)
    assert found[-1] == orjson.loads(reply.body)["objective"]
    times = [state_of["elapsed_seconds"] for state_of in states]
    assert times == sorted(times)


def test_figures_of_numpy_are_reported_as_numbers() -> None:
    states = [(0.0, Progress("bounding", np.float64(2.0), np.float64(1.5), np.float64(0.25), 0.0))]
    [only] = published(states)
    assert (only["incumbent"], only["lower_bound"], only["gap"]) == (2.0, 1.5, 0.25)


@pytest.mark.parametrize("minimise", ["energy", "carbon", "money"])
@pytest.mark.parametrize("zeta", [1.0, 0.5])
def test_pools_that_stay_on_until_a_horizon_are_planned(
    planner_service: PlannerService, minimise: str, zeta: float
) -> None:
    body: dict[str, Any] = {
        "requests": rows(5),
        "fleet": a100_fleet(power_policy="always_on"),
        "objective": {"minimise": minimise, "zeta": zeta},
        "constraints": {"horizon_seconds": 4000.0},
    }
    for pool in body["fleet"]["pools"]:
        pool |= {"carbon_g_per_kwh": 300.0, "price_per_kwh": 0.2, "price_per_device_hour": 2.0}
    received: list[Update] = []
    reply = answer(planner_service, Job("plan", orjson.dumps(body), "/plan"), received.append)
    assert reply.status == 200, reply.body
    last = orjson.loads(received[-1].body)
    assert last["incumbent"] == orjson.loads(reply.body)["objective"]


def test_a_plan_outlives_progress_that_cannot_be_reported(
    planner_service: PlannerService, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Update) -> None:
        raise ValueError("nobody listens")

    with caplog.at_level(logging.ERROR):
        reply = answer(planner_service, Job("plan", orjson.dumps(BODY), "/plan"), refuse)
    assert reply.status == 200, reply.body
    assert "nobody listens" in caplog.text


def test_a_plan_is_named_as_the_job_says(planner_service: PlannerService) -> None:
    reply = answer(planner_service, Job("plan", orjson.dumps(BODY), "/plan", plan_id="mine"))
    assert orjson.loads(reply.body)["plan_id"] == "mine"


def test_a_limit_of_time_cuts_no_message_in_two() -> None:
    reader, writer = Pipe(duplex=False)
    received: list[object] = []

    def receive() -> None:
        while (message := reader.recv()) is not None:
            received.append(message)

    # Far larger than what a pipe holds, so that the limit falls into the sending of one.
    update = Update("progress", bytes(4_000_000))
    send_update = update_sender(writer)
    listener = Thread(target=receive)
    listener.start()
    for _ in range(5):
        run_within(TimeBudget(0.1), lambda: [send_update(update) for _ in repeat(None)])
    writer.send(None)
    listener.join()
    assert received
    assert all(message == update for message in received)
