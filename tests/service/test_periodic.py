"""What goes on as long as the service runs: it outlives a failure, or is told to have ended."""

from __future__ import annotations

import asyncio
import logging

import pytest
from prometheus_client import CollectorRegistry

from service.app import create_app
from service.database.database_file import IN_MEMORY
from service.decisions.actuals.actuals_service import ActualsService
from service.decisions.actuals.store import ActualsStore
from service.decisions.decision_service import DecisionService
from service.decisions.metering.loop import Metering
from service.decisions.metrics import DecisionMetrics
from service.periodic import cancel_tasks, run_periodically, start_tasks
from service.settings.settings import Settings
from service.telemetry.labels import Labels


def test_what_fails_is_reported_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise RuntimeError("once")

    async def run() -> None:
        task = asyncio.create_task(run_periodically(0.0, work))
        while len(done) < 3:
            await asyncio.sleep(0.001)
        task.cancel()

    with caplog.at_level(logging.ERROR, "service.background.endless"):
        asyncio.run(run())
    assert done[:3] == [0, 1, 2]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [RuntimeError]


def failures(caplog: pytest.LogCaptureFixture) -> list[type[BaseException] | None]:
    return [record.exc_info[0] for record in caplog.records if record.exc_info]


def test_what_ends_by_a_failure_is_reported_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise RuntimeError("for good")

    async def nothing_to_do() -> None:
        return

    async def go_on() -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        tasks = start_tasks([fail(), nothing_to_do(), go_on()])
        while not tasks[0].done() or not tasks[1].done():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        # The task is held on to: nothing is told because it is collected as garbage.
        assert failures(caplog) == [RuntimeError]
        await cancel_tasks(tasks)

    with caplog.at_level(logging.ERROR, "service.background.endless"):
        asyncio.run(run())
    assert failures(caplog) == [RuntimeError]


def test_the_end_waits_for_what_cleans_up() -> None:
    cleaned: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(50):
                await asyncio.sleep(0)
            cleaned.append(True)

    async def run() -> None:
        tasks = start_tasks([work()])
        await asyncio.sleep(0)
        await cancel_tasks(tasks)
        assert cleaned == [True]

    asyncio.run(run())


NO_URL = {"metering_url": 7, "metering_query": "joules"}
"""Settings that no validation lets through: what reads them fails as a programming error would."""


@pytest.mark.anyio
async def test_a_service_reports_a_part_of_it_that_has_failed(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings.model_copy(update=NO_URL | {"actuals_path": IN_MEMORY}))
    others = asyncio.all_tasks()
    with caplog.at_level(logging.ERROR, "service.background.endless"):
        async with app.router.lifespan_context(app):
            while not failures(caplog):
                await asyncio.sleep(0.01)
    assert failures(caplog) == [TypeError]
    assert asyncio.all_tasks() == others


@pytest.mark.parametrize("url", ["http://a:b", 7])
@pytest.mark.anyio
async def test_no_runs_are_kept_for_a_metering_that_cannot_begin(
    settings: Settings, url: object
) -> None:
    metrics = DecisionMetrics(CollectorRegistry(), Labels())
    actuals = ActualsService(DecisionService(), metrics, ActualsStore(IN_MEMORY, 10))
    notified = actuals._on_run
    wrong = settings.model_copy(update=NO_URL | {"metering_url": url})
    await asyncio.gather(Metering(wrong, actuals, metrics).run(), return_exceptions=True)
    assert actuals._on_run is notified
