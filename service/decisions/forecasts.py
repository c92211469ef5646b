"""Plans of the traffic to come, made every few minutes, whose prices single decisions follow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic, time
from uuid import uuid4

import orjson

from service.calls.content import to_bytes
from service.calls.messages import Job, Reply
from service.decisions.decision_service import DecisionService
from service.decisions.metrics import DecisionMetrics
from service.decisions.policy import FALLBACK, FORECAST, FORECAST_PREFIX, policy_of
from service.decisions.traffic import (
    SOLVER_LIMIT_S,
    STRETCHES,
    ObservedRequest,
    plan_of,
    stretch_helps,
)
from service.periodic import run_periodically
from service.problems import ProblemError
from service.settings.decisions import DecisionSettings
from service.workers.pool import WorkerPool

logger = logging.getLogger("service.background.forecasts")

PERIODS_IN_FORCE = 3.0


class Forecasts:
    """Plans the requests of late as those to come.

    A policy that somebody published is left alone until it expires.

    Parameters
    ----------
    settings
        Period of the forecasts and floor on their quality.
    pool, decisions, metrics
        Workers, decision service and metrics of the service.
    max_requests, max_time_limit_s
        Requests that a call may hold, and its longest time limit [s].
    """

    def __init__(
        self,
        settings: DecisionSettings,
        pool: WorkerPool,
        decisions: DecisionService,
        metrics: DecisionMetrics,
        max_requests: int,
        max_time_limit_s: float,
    ) -> None:
        self._settings, self._pool = settings, pool
        self._decisions, self._metrics = decisions, metrics
        self._max_requests, self._limit_s = max_requests, min(SOLVER_LIMIT_S, max_time_limit_s)

    async def run(self) -> None:
        """Make a forecast every period, until cancelled."""
        if self._settings.forecast_seconds > 0:
            await run_periodically(self._settings.forecast_seconds, self._once)

    async def _once(self) -> None:
        requests = self._decisions.traffic.forecast(monotonic())[-self._max_requests :]
        if requests and self._may_publish:
            await self._make(requests)

    @property
    def _may_publish(self) -> bool:
        return self._decisions.policy.source in {FALLBACK, FORECAST}

    async def _make(self, requests: Sequence[ObservedRequest]) -> None:
        try:
            reply = await self._planned(requests)
        except ProblemError as error:
            self._fail(error.problem.detail)
            return
        published = None if reply.tally is None else reply.tally.published
        if published is None:
            self._fail(reply.outcome if reply.tally is None else "No prices were found in time.")
            return
        if not self._may_publish:
            # Somebody published another while this was planned.
            return
        lifetime_s = PERIODS_IN_FORCE * self._settings.forecast_seconds
        self._decisions.publish(policy_of(published, time(), lifetime_s))
        self._metrics.count_forecast("published")

    async def _planned(self, requests: Sequence[ObservedRequest]) -> Reply:
        """Return the plan within the shortest time that the fleet can keep, or the last refusal.

        Raises
        ------
        ProblemError
            If no worker is to be had.
        """
        now = monotonic()
        for stretch in STRETCHES:
            # Twenty thousand requests take a while to write: decisions go on meanwhile.
            body = await asyncio.to_thread(self._body, requests, now, stretch)
            plan_id = FORECAST_PREFIX + uuid4().hex
            job = Job("plan", body, "/plan", request_id=plan_id, plan_id=plan_id)
            reply = await self._pool.submit(job)
            if reply.outcome != "infeasible" or not stretch_helps(_conflict(reply)):
                break
        return reply

    def _body(self, requests: Sequence[ObservedRequest], now: float, stretch: float) -> bytes:
        floor = self._settings.min_mean_quality
        return orjson.dumps(plan_of(requests, now, floor, stretch, self._limit_s))

    def _fail(self, why: str) -> None:
        logger.warning("The traffic to come could not be planned. %s", why)
        self._metrics.count_forecast("failed")


def _conflict(reply: Reply) -> list[str]:
    """Return the limits that an infeasible plan could not keep together."""
    return list(orjson.loads(to_bytes(reply.body))["conflict"])
