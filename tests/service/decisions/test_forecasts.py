"""Forecasts beside a pool of workers: what they plan, with how much time, and when not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from service.calls.content import to_bytes
from service.calls.messages import Job, Reply
from service.decisions.decision_service import DecisionService
from service.decisions.forecasts import Forecasts
from service.decisions.metrics import DecisionMetrics
from service.decisions.policy import Policy
from service.decisions.traffic import MIN_REQUESTS, STRETCHES, ObservedRequest
from service.settings.settings import Settings
from service.telemetry.labels import Labels
from service.workers.link import enter, start_worker
from service.workers.pool import WorkerPool
from tests.service.decision_fleet import save_an_llm_each
from tests.waiting import PATIENCE_S, wait_in_loop_until

ONCE_S = 3600.0
OFTEN_S = 0.2


@pytest.fixture(scope="module")
def two_llms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_an_llm_each(tmp_path_factory.mktemp("models"))


class Submitted(WorkerPool):
    """Remembers the plans that it is asked for, and what became of them."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, partial(start_worker, enter, settings))
        self.bodies: list[dict[str, Any]] = []
        self.outcomes: list[str] = []

    async def submit(self, job: Job, *args: Any, **options: Any) -> Reply:
        self.bodies.append(orjson.loads(to_bytes(job.body)))
        reply = await super().submit(job, *args, **options)
        self.outcomes.append(reply.outcome)
        return reply


@dataclass
class Planning:
    """Forecasts beside a pool and a decision service, without a server."""

    pool: Submitted
    decisions: DecisionService
    registry: CollectorRegistry
    task: asyncio.Task[None]

    def counted(self, status: str) -> float:
        found = self.registry.get_sample_value("jouleplan_forecasts_total", {"status": status})
        return found or 0.0

    async def wait_for(self, holds: Callable[[], bool]) -> None:
        await wait_in_loop_until(lambda: self.task.done() or holds())
        assert not self.task.done()

    def ask(self, count: int) -> None:
        """Have requests come."""
        keys = (("qwen3-8b", "small"), ("qwen3-32b", "large"))
        # Of the future: however slowly this runs, they came within the last second.
        soon = time.monotonic() + 10.0 * PATIENCE_S
        for _ in range(count):
            self.decisions.traffic.add(ObservedRequest(soon, 200.0, 100.0, keys, None))


@asynccontextmanager
async def planning(models: Path, period_s: float, **settings: Any) -> AsyncIterator[Planning]:
    own = Settings(models_dir=models, workers=1, forecast_seconds=period_s, **settings)
    pool, decisions, registry = Submitted(own), DecisionService(), CollectorRegistry()
    metrics = DecisionMetrics(registry, Labels())
    forecasts = Forecasts(
        own, pool, decisions, metrics, own.max_requests, own.max_time_limit_seconds
    )
    pool.start()
    try:
        await wait_in_loop_until(lambda: pool.ready)
        task = asyncio.create_task(forecasts.run())
        try:
            yield Planning(pool, decisions, registry, task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await pool.stop()


class Looks:
    """Counts how often the traffic of a decision service is looked at."""

    def __init__(self, decisions: DecisionService) -> None:
        self.count, self._forecast = 0, decisions.traffic.forecast
        decisions.traffic.forecast = self._counted  # type: ignore[method-assign]

    def _counted(self, now: float) -> Sequence[ObservedRequest]:
        self.count += 1
        return self._forecast(now)


@pytest.mark.anyio
async def test_traffic_that_the_fleet_cannot_keep_up_with_gets_more_time(two_llms: Path) -> None:
    async with planning(two_llms, ONCE_S) as run:
        run.ask(500)
        # A busy machine may find no prices in the time of a forecast, and that is no matter here.
        await run.wait_for(lambda: run.counted("published") + run.counted("failed") == 1)
        assert run.pool.outcomes[-1] != "infeasible"
        deadlines_s = [body["constraints"]["deadline_seconds"] for body in run.pool.bodies]
    assert len(deadlines_s) > 1
    stretches = [one / deadlines_s[0] for one in deadlines_s]
    assert stretches == pytest.approx(STRETCHES[: len(stretches)])


@pytest.mark.anyio
async def test_where_more_time_cannot_help_none_is_tried_and_no_policy_comes_of_it(
    two_llms: Path,
) -> None:
    async with planning(two_llms, OFTEN_S, min_mean_quality=0.95) as run:
        run.ask(120)
        await run.wait_for(lambda: run.counted("failed") >= 2)
        # One each, and perhaps that of the next.
        assert len(run.pool.bodies) - run.counted("failed") in {0, 1}
        assert run.decisions.policy.source == "fallback"
        assert run.counted("published") == 0


@pytest.mark.anyio
async def test_too_few_requests_are_not_planned(two_llms: Path) -> None:
    async with planning(two_llms, OFTEN_S) as run:
        run.ask(MIN_REQUESTS - 1)
        looks = Looks(run.decisions)
        await run.wait_for(lambda: looks.count > 2)
        assert run.pool.bodies == []
        run.ask(1)
        await run.wait_for(lambda: bool(run.pool.bodies))


@pytest.mark.anyio
async def test_the_prices_of_a_plan_are_not_replaced_by_those_of_a_forecast(
    two_llms: Path,
) -> None:
    async with planning(two_llms, OFTEN_S) as run:
        run.decisions.publish(Policy("plan", made_at=time.time(), plan_id="p"))
        run.ask(MIN_REQUESTS)
        looks = Looks(run.decisions)
        await run.wait_for(lambda: looks.count > 2)
        assert (run.pool.bodies, run.decisions.policy.plan_id) == ([], "p")


@pytest.mark.anyio
async def test_what_somebody_set_is_left_alone_until_it_expires(two_llms: Path) -> None:
    async with planning(two_llms, OFTEN_S) as run:
        expires_at = time.time() + 1.0
        run.decisions.publish(Policy("weights", made_at=time.time(), expires_at=expires_at))
        run.ask(MIN_REQUESTS)
        await run.wait_for(lambda: bool(run.pool.bodies))
        assert time.time() >= expires_at


@pytest.mark.anyio
async def test_limits_of_calls_hold_for_forecasts(two_llms: Path) -> None:
    limits = {"max_time_limit_seconds": 2.0, "max_requests": 120}
    async with planning(two_llms, ONCE_S, **limits) as run:
        run.ask(200)
        await run.wait_for(lambda: bool(run.pool.outcomes))
        body = run.pool.bodies[0]
        assert len(body["columns"]["input_tokens"]) == 120
        assert body["solver"]["time_limit_seconds"] == 2.0
        # The window may be too short for so many, but they are never refused.
        assert set(run.pool.outcomes) <= {"optimal", "feasible", "infeasible", "undecided"}
