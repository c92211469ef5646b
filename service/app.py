"""The composition root: settings in, a web application out. Nothing happens at import."""

from __future__ import annotations

import time
from collections.abc import (
    AsyncIterator,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from commandline.distribution import running_version
from service.calls.messages import RELOADED, Description, PlanTally
from service.database.stores import probe_stores
from service.decisions.actuals.actuals_service import ActualsService
from service.decisions.actuals.store import KEPT, ActualsStore
from service.decisions.decision_service import DecisionService
from service.decisions.forecasts import Forecasts
from service.decisions.keeper import PolicyKeeper
from service.decisions.metering.loop import Metering
from service.decisions.metrics import DecisionMetrics
from service.decisions.policy import FORECAST_PREFIX, policy_of
from service.decisions.tokenizers import Tokenizers
from service.http.access.connections import BodyLimits
from service.http.access.guard import install_guards
from service.http.access.key_file import FileKeyStore
from service.http.access.tls import RenewableContext
from service.http.openapi.document import DESCRIPTION, document
from service.http.operations import operations_app
from service.http.refusals import add_refusals
from service.http.request_log import RequestLog
from service.http.routes import (
    actuals,
    calls,
    decisions,
    destinations,
    docs,
    frontier,
    information,
    plans,
    policy,
    prices,
    shards,
)
from service.http.routes.bodies import JobReader
from service.periodic import cancel_tasks, start_tasks
from service.plans.archive import PlanArchive
from service.plans.database import PLANS
from service.plans.plan_store import StoreLimits
from service.plans.plans import AsynchronousPlans
from service.reloads import follow_files
from service.settings.settings import Settings
from service.stopping import Stopping
from service.telemetry.metrics import Metrics
from service.workers.link import WorkerMain, WorkerProcess, enter, start_worker
from service.workers.loaded_files import PoolListener
from service.workers.pool import WorkerPool

PREFIXES = ("", "/v1")
"""What all paths are served under."""


def create_app(settings: Settings) -> FastAPI:
    """Return the service as an application; see `compose` for what it may raise."""
    return compose(settings).app


def compose(
    settings: Settings,
    *,
    worker_main: WorkerMain = enter,
    first_worker: WorkerProcess | None = None,
    tokenizers: Tokenizers | None = None,
    certificate: RenewableContext | None = None,
) -> Service:
    """Put the service together, with what was loaded or started already to be ready sooner.

    Raises
    ------
    KeyFileError
        If there is a file of API keys that cannot be used.
    TokenizerError
        If there are tokenizer files that cannot be used.
    """
    metrics = Metrics(CollectorRegistry(), running_version())
    decision_metrics = DecisionMetrics(metrics.registry, metrics.labels)
    tokenizers = tokenizers or Tokenizers(settings.tokenizers_dir)
    decision_service = DecisionService(tokenizers, settings.min_mean_quality)
    asked = "actuals_path" in settings.model_fields_set
    store = ActualsStore(
        settings.actuals_path, settings.max_actuals, metrics.stores, may_forget=not asked
    )
    listener = _Listener(settings.policy_seconds, decision_service, metrics, decision_metrics)
    start = partial(start_worker, worker_main, settings)
    pool = WorkerPool(settings, start, listener, first_worker)
    stopping = Stopping()
    kept = StoreLimits(
        settings.store_max_plans, settings.store_max_bytes, settings.store_max_age_seconds
    )
    archive = PlanArchive(settings.store_path, kept, metrics)
    plans = AsynchronousPlans(archive, settings.heartbeat_seconds, pool, metrics, stopping)
    metrics.follow(pool.queue)
    decision_metrics.observe(decision_service)
    metrics.follow_stores(
        {
            **dict.fromkeys(KEPT, lambda: not store.in_memory),
            PLANS: lambda: archive.survives_restart,
        }
    )
    return Service(
        settings=settings,
        metrics=metrics,
        decision_metrics=decision_metrics,
        decision_service=decision_service,
        actuals_service=ActualsService(decision_service, decision_metrics, store),
        keeper=PolicyKeeper(decision_service, store),
        pool=pool,
        plans=plans,
        stopping=stopping,
        tokenizers=tokenizers,
        keys=None if settings.api_keys_file is None else FileKeyStore(settings.api_keys_file),
        certificate=certificate,
    )


@dataclass(frozen=True, kw_only=True)
class Service:
    """The service put together.

    Attributes
    ----------
    stopping
        How far the end of the service is.
    keys, certificate
        None where everybody may call, or without TLS.
    """

    settings: Settings
    metrics: Metrics
    decision_metrics: DecisionMetrics
    decision_service: DecisionService
    actuals_service: ActualsService
    keeper: PolicyKeeper
    pool: WorkerPool
    plans: AsynchronousPlans
    stopping: Stopping
    tokenizers: Tokenizers
    keys: FileKeyStore | None
    certificate: RenewableContext | None

    @cached_property
    def operations(self) -> FastAPI:
        """What is served on the operations port."""
        return operations_app(self.settings, self.pool, self.metrics, self.stopping, PREFIXES)

    @asynccontextmanager
    async def _running(self, _: FastAPI) -> AsyncIterator[None]:
        """Start all parts, and stop them in the end."""
        self.pool.start()
        await self.actuals_service.start()
        await self.keeper.start()
        tasks = start_tasks(self._works())
        yield
        await cancel_tasks(tasks)
        await self.plans.stop()
        await self.keeper.stop()
        await self.actuals_service.stop()
        await self.pool.stop()

    def _works(self) -> Iterator[Coroutine[Any, Any, None]]:
        settings = self.settings
        yield from follow_files(
            settings, self.pool, self.tokenizers, self.keys, self.certificate, self.metrics.reloads
        )
        yield probe_stores(
            (self.actuals_service.probe, self.keeper.retry, self.plans.archive.probe)
        )
        yield Forecasts(
            settings,
            self.pool,
            self.decision_service,
            self.decision_metrics,
            settings.max_requests,
            settings.max_time_limit_seconds,
        ).run()
        yield Metering(settings, self.actuals_service, self.decision_metrics).run()

    @cached_property
    def app(self) -> FastAPI:
        """What is served: all routes, behind guards; its parts run as long as it does."""
        settings, metrics = self.settings, self.metrics
        app = FastAPI(
            title="jouleplan",
            version=running_version(),
            description=DESCRIPTION,
            lifespan=self._running,
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            redirect_slashes=False,
        )
        deciding = decisions.Decisions(self.decision_service, self.decision_metrics)
        app.router.routes.extend(deciding.direct(prefix) for prefix in PREFIXES)
        _serve(app, self._routers(deciding))
        document(app, needs_key=self.keys is not None)
        add_refusals(app, PREFIXES)
        bodies = BodyLimits(
            settings.body_silence_seconds, settings.body_timeout_seconds, settings.max_body_bytes
        )
        keys = None if self.keys is None else self.keys.store
        install_guards(app, settings, bodies, keys, PREFIXES, metrics.count_unadmitted)
        app.add_middleware(RequestLog, stopping=self.stopping)
        return app

    def _routers(self, deciding: decisions.Decisions) -> Iterator[APIRouter]:
        reader = JobReader(self.pool, self.settings.max_body_bytes, self.settings.max_requests)
        yield calls.router(reader, self.metrics, self.plans)
        yield deciding.router()
        yield destinations.router(self.decision_service, self.decision_metrics)
        yield prices.router(self.decision_service)
        yield policy.router(self.decision_service, self.keeper)
        yield actuals.router(self.actuals_service)
        yield plans.router(self.plans)
        yield shards.router(self.plans)
        yield frontier.router(reader, self.metrics)
        yield information.health_router(self.pool, self.metrics, self.stopping)
        yield information.router(self.pool)
        if self.settings.operations_port is None:
            yield information.metrics_router(self.metrics)


def _serve(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Serve all routes under each prefix; the document has those without one."""
    everything = APIRouter()
    for router in routers:
        everything.include_router(router)
    for prefix in PREFIXES:
        app.include_router(everything, prefix=prefix, include_in_schema=not prefix)
        app.include_router(docs.router(prefix), prefix=prefix, include_in_schema=False)
    docs.mount_assets(app)


@dataclass
class _Listener(PoolListener):
    """Passes on what happens to the workers."""

    policy_s: float
    decision_service: DecisionService
    metrics: Metrics
    decision_metrics: DecisionMetrics

    def described(self, description: Description) -> None:
        self.metrics.describe(description)
        self.decision_metrics.begin(description.llm_pools)
        self.decision_service.load(description.rows)

    def files_read(self, failures: Mapping[str, str]) -> None:
        for name in RELOADED:
            self.metrics.reloads.found(name, failures.get(name))

    def planned(self, tally: PlanTally) -> None:
        found = tally.published
        # Plans of forecast traffic are published by who asks for them, for as long as they hold.
        if found is not None and not found.plan_id.startswith(FORECAST_PREFIX):
            self.decision_service.publish(policy_of(found, time.time(), self.policy_s))

    def workers_changed(self, ready: int) -> None:
        self.metrics.set_workers(ready)

    def worker_lost(self, *, hung: bool) -> None:
        self.metrics.count_restart(hung=hung)
