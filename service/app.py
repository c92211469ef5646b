"""The composition root: settings in, a web application out. Nothing happens at import."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from service.http.access.guarding import add_guard, filed_keys
from service.http.access.tls import RenewableContext
from service.decisions.actuals.ledger import ActualsLedger
from service.decisions.actuals.store import KEPT, ActualsStore
from service.background import endless
from service.decisions.forecasts import Forecasts
from service.plans.plans import BackgroundPlans
from service.reloads import follow_files
from service.database.probing import watch_stores
from service.decisions.desk import DecisionDesk
from service.decisions.keeper import PolicyKeeper
from service.decisions.policy import FORECAST_PREFIX, policy_of
from service.decisions.tokenizers import Tokenizers
from service.decisions.metering.loop import Metering
from service.http.openapi.document import DESCRIPTION, document
from service.http.operations import operations_app
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
from service.http.refusals import add_refusals
from service.settings.settings import Settings
from service.stopping import Stopping
from service.plans.database import PLANS
from service.telemetry.metrics import Metrics
from service.http.request_log import RequestLog
from service.version import running_version
from service.workers.entry import enter
from service.workers.link import WorkerMain, WorkerProcess
from service.workers.listener import PoolListener
from service.calls.messages import RELOADED, Description, PlanTally
from service.workers.pool import WorkerPool

VERSION_PREFIX = "/v1"


def create_app(
    settings: Settings,
    *,
    registry: CollectorRegistry | None = None,
    worker_main: WorkerMain = enter,
    first_worker: WorkerProcess | None = None,
    tokenizers: Tokenizers | None = None,
    certificate: RenewableContext | None = None,
) -> FastAPI:
    """Return the service.

    Its workers start with it and end with it (`lifespan`).

    Parameters
    ----------
    settings
        What the operator set.
    registry
        Of the metrics; one of its own where none is given.
    worker_main
        What a worker process runs.
    first_worker
        A worker process that was started already, to be ready sooner.
    tokenizers
        That were loaded already; those of the settings where left out.
    certificate
        That is served, to be renewed with its files.

    Raises
    ------
    KeyFileError
        If there is a file of API keys that cannot be used.
    TokenizerError
        If there are tokenizer files that cannot be used.
    """
    version = running_version()
    metrics = Metrics(registry or CollectorRegistry(), version)
    tokenizers = tokenizers or Tokenizers(settings.tokenizers_dir)
    desk = DecisionDesk(tokenizers, settings.min_mean_quality)
    asked = "actuals_path" in settings.model_fields_set
    store = ActualsStore(
        settings.actuals_path, settings.max_actuals, metrics.stores, may_forget=not asked
    )
    ledger = ActualsLedger(desk, metrics.decisions, store)
    keeper = PolicyKeeper(desk, store)

    pool = WorkerPool(settings, worker_main, _Listener(settings, desk, metrics), first_worker)
    metrics.follow(pool.queue)
    metrics.decisions.follow(desk)
    metrics.decisions.follow_evidence(desk.evidence)
    stopping = Stopping()
    background = BackgroundPlans(settings, pool, metrics, stopping)
    metrics.follow_stores(
        {
            **dict.fromkeys(KEPT, lambda: not store.in_memory),
            PLANS: lambda: background.survives_restart,
        }
    )
    metering = Metering(settings, ledger, metrics.decisions)
    forecasts = Forecasts(settings, pool, desk, metrics.decisions)
    keys = filed_keys(settings)
    health = information.Health(pool, metrics, stopping)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pool.start()
        await ledger.start()
        await keeper.start()
        works = (
            *follow_files(settings, pool, tokenizers, keys, certificate, metrics.reloads),
            watch_stores((ledger.probe, keeper.retry, background.probe)),
            forecasts.run(),
            metering.run(),
        )
        begun = endless.begin(works)
        yield
        await endless.end(begun)
        await background.stop()
        await keeper.stop()
        await ledger.stop()
        await pool.stop()

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
    deciding = decisions.Decisions(desk, metrics.decisions)
    prefixes = ("", VERSION_PREFIX)
    app.router.routes.extend(deciding.direct(prefix) for prefix in prefixes)
    for prefix in prefixes:
        in_schema = not prefix
        app.include_router(
            calls.router(settings, pool, metrics, background),
            prefix=prefix,
            include_in_schema=in_schema,
        )
        for routes in (
            deciding.router(),
            destinations.router(desk, metrics.decisions),
            prices.router(desk),
            policy.router(desk, keeper),
            actuals.router(ledger),
            plans.router(background),
            shards.router(background),
            frontier.router(settings, pool, metrics),
            information.health_router(health),
            information.router(pool),
        ):
            app.include_router(routes, prefix=prefix, include_in_schema=in_schema)
        if settings.operations_port is None:
            app.include_router(
                information.metrics_router(metrics), prefix=prefix, include_in_schema=in_schema
            )
        app.include_router(docs.router(prefix), prefix=prefix, include_in_schema=False)
    docs.mount_assets(app)
    app.state.stopping = stopping
    app.state.before_shutdown = background.interrupt
    app.state.operations = operations_app(settings, health, metrics, stopping, prefixes)
    document(app, needs_key=keys is not None)
    add_refusals(app, prefixes)
    add_guard(app, settings, keys, prefixes, metrics.count_unadmitted)
    app.add_middleware(RequestLog, stopping=stopping)
    return app


class _Listener(PoolListener):
    """Passes on what happens to the workers."""

    def __init__(self, settings: Settings, desk: DecisionDesk, metrics: Metrics) -> None:
        self._settings, self._desk, self._metrics = settings, desk, metrics

    def described(self, description: Description) -> None:
        self._metrics.describe(description)
        self._desk.load(description.rows)

    def files_read(self, failures: Mapping[str, str]) -> None:
        for name in RELOADED:
            self._metrics.reloads.found(name, failures.get(name))

    def planned(self, tally: PlanTally) -> None:
        found = tally.published
        # Plans of forecast traffic are published by who asks for them, for as long as they hold.
        if found is not None and not found.plan_id.startswith(FORECAST_PREFIX):
            self._desk.publish(policy_of(found, time.time(), self._settings.policy_seconds))

    def workers_changed(self, ready: int) -> None:
        self._metrics.set_workers(ready)

    def worker_lost(self, *, hung: bool) -> None:
        self._metrics.count_restart(hung=hung)
