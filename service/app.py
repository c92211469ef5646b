"""The composition root: settings in, a web application out. Nothing happens at import."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

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
from service.environment import running_version
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
from service.plans.plans import BackgroundPlans
from service.reloads import follow_files
from service.settings.settings import Settings
from service.stopping import Stopping
from service.telemetry.metrics import Metrics
from service.workers.link import WorkerMain, WorkerProcess, enter, start_worker
from service.workers.loaded_files import PoolListener
from service.workers.pool import WorkerPool

PREFIXES = ("", "/v1")
"""What all paths are served under."""


@dataclass(frozen=True)
class Composed:
    """The service put together, as its server needs it.

    Attributes
    ----------
    app
        What is served; its workers start with it and end with it (`lifespan`).
    operations
        What is served on the operations port.
    stopping
        How far the end of the service is.
    interrupt
        Ends asynchronous plans, and with them the streams about them; to be called before the end.
    """

    app: FastAPI
    operations: FastAPI
    stopping: Stopping
    interrupt: Callable[[], Awaitable[None]]


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
) -> Composed:
    """Put the service together, with what was loaded or started already to be ready sooner.

    Raises
    ------
    KeyFileError
        If there is a file of API keys that cannot be used.
    TokenizerError
        If there are tokenizer files that cannot be used.
    """
    version = running_version()
    metrics = Metrics(CollectorRegistry(), version)
    decision_metrics = DecisionMetrics(metrics.registry, metrics.labels)
    tokenizers = tokenizers or Tokenizers(settings.tokenizers_dir)
    decision_service = DecisionService(tokenizers, settings.min_mean_quality)
    asked = "actuals_path" in settings.model_fields_set
    store = ActualsStore(
        settings.actuals_path, settings.max_actuals, metrics.stores, may_forget=not asked
    )
    actuals_service = ActualsService(decision_service, decision_metrics, store)
    keeper = PolicyKeeper(decision_service, store)
    listener = _Listener(settings.policy_seconds, decision_service, metrics, decision_metrics)
    start = partial(start_worker, worker_main, settings)
    pool = WorkerPool(settings, start, listener, first_worker)
    metrics.follow(pool.queue)
    decision_metrics.follow(decision_service)
    decision_metrics.read_calibration(decision_service.calibration)
    stopping = Stopping()
    kept = StoreLimits(
        settings.store_max_plans, settings.store_max_bytes, settings.store_max_age_seconds
    )
    archive = PlanArchive(settings.store_path, kept, metrics)
    background = BackgroundPlans(archive, settings.heartbeat_seconds, pool, metrics, stopping)
    metrics.follow_stores(
        {
            **dict.fromkeys(KEPT, lambda: not store.in_memory),
            PLANS: lambda: background.survives_restart,
        }
    )
    keys = None if settings.api_keys_file is None else FileKeyStore(settings.api_keys_file)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pool.start()
        await actuals_service.start()
        await keeper.start()
        works = (
            *follow_files(settings, pool, tokenizers, keys, certificate, metrics.reloads),
            probe_stores((actuals_service.probe, keeper.retry, background.probe)),
            Forecasts(
                settings,
                pool,
                decision_service,
                decision_metrics,
                settings.max_requests,
                settings.max_time_limit_seconds,
            ).run(),
            Metering(settings, actuals_service, decision_metrics).run(),
        )
        begun = start_tasks(works)
        yield
        await cancel_tasks(begun)
        await background.stop()
        await keeper.stop()
        await actuals_service.stop()
        await pool.stop()

    health = information.Health(pool, metrics, stopping)
    deciding = decisions.Decisions(decision_service, decision_metrics)
    reader = JobReader(pool, settings.max_body_bytes, settings.max_requests)
    routers = [
        calls.router(reader, metrics, background),
        deciding.router(),
        destinations.router(decision_service, decision_metrics),
        prices.router(decision_service),
        policy.router(decision_service, keeper),
        actuals.router(actuals_service),
        plans.router(background),
        shards.router(background),
        frontier.router(reader, metrics),
        information.health_router(health),
        information.router(pool),
    ]
    if settings.operations_port is None:
        routers.append(information.metrics_router(metrics))
    app = FastAPI(
        title="jouleplan",
        version=version,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.router.routes.extend(deciding.direct(prefix) for prefix in PREFIXES)
    _serve(app, routers)
    document(app, needs_key=keys is not None)
    add_refusals(app, PREFIXES)
    bodies = BodyLimits(
        settings.body_silence_seconds, settings.body_timeout_seconds, settings.max_body_bytes
    )
    in_force = None if keys is None else keys.store
    install_guards(app, settings, bodies, in_force, PREFIXES, metrics.count_unadmitted)
    app.add_middleware(RequestLog, stopping=stopping)
    operations = operations_app(settings, health, metrics, stopping, PREFIXES)
    return Composed(app, operations, stopping, background.interrupt)


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
