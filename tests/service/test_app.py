"""The app without its workers, and what it does when a route or a planner fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

import httpx
import orjson
import pytest

from planner.errors import UndecidedError
from planner.problem import PlacementProblem
from planner.progress import OnProgress
from planner.result import SolverOptions
from service.app import create_app
from service.calls.messages import Job
from service.calls.planner_service import PlannerService
from service.settings.settings import Settings
from service.workers.process import answer
from tests.service.bodies import a100_fleet, call, rows

BODY = {"requests": rows(), "fleet": a100_fleet()}


def client(app: object) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.mark.anyio
async def test_before_a_worker_is_ready_it_lives_but_is_not_ready(settings: Settings) -> None:
    async with client(create_app(settings)) as unstarted:
        assert (await unstarted.get("/healthz")).status_code == 200
        for path in ("/readyz", "/placements", "/cost-models"):
            response = await unstarted.get(path)
            assert response.status_code == 503
            assert response.json()["reasons"] == ["No worker is ready yet."]
            assert int(response.headers["retry-after"]) > 0


@pytest.mark.anyio
async def test_a_route_that_fails_answers_with_a_problem_and_no_traceback(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings)

    @app.get("/broken", response_model=None)
    async def broken() -> NoReturn:
        msg = "the secret inside"
        raise RuntimeError(msg)

    async with client(app) as unstarted:
        response = await unstarted.get("/broken")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text
    assert "x-request-id" in response.headers
    assert "the secret inside" in caplog.text


def test_creating_an_app_starts_nothing(settings: Settings) -> None:
    first, second = create_app(settings), create_app(settings)
    assert first is not second


@contextmanager
def raising(error: Exception, service: PlannerService) -> Iterator[PlannerService]:
    def planner(problem: PlacementProblem, options: SolverOptions, watch: OnProgress) -> NoReturn:
        raise error

    yield replace(service, planner=planner)


def test_a_planner_that_fails_is_an_internal_problem_without_traceback(
    planner_service: PlannerService, caplog: pytest.LogCaptureFixture
) -> None:
    with raising(RuntimeError("the secret inside"), planner_service) as broken:
        status, problem, outcome = call(broken, BODY)
    assert (status, outcome) == (500, "internal")
    assert "secret" not in str(problem)
    assert "the secret inside" in caplog.text


def test_no_plan_in_time_is_a_503_that_says_when_to_come_back(
    planner_service: PlannerService,
) -> None:
    with raising(UndecidedError("Nothing was found."), planner_service) as slow:
        reply = answer(slow, Job("plan", orjson.dumps(BODY), "/plan"))
    assert (reply.status, reply.outcome) == (503, "undecided")
    assert int(reply.headers["Retry-After"]) > 0


def test_a_call_that_needs_too_much_memory_is_too_large(planner_service: PlannerService) -> None:
    with raising(MemoryError(), planner_service) as small:
        assert call(small, BODY)[0] == 413
