"""What the service is, has loaded and counts: the paths that are read."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

from service.calls.messages import JSON, Description
from service.calls.schemas.information import (
    CostModelsAnswer,
    HealthAnswer,
    PlacementsAnswer,
    ReadinessAnswer,
    StoreState,
)
from service.http.openapi.document import information_operation, metrics_operation
from service.http.refusals import refuse
from service.problems import Problem
from service.stopping import STOPPING, Stopping
from service.telemetry.metrics import Metrics
from service.workers.pool import WorkerPool
from service.workers.queue import RETRY_AFTER_S

MAX_REFUSED = 10
"""How many files readiness names; `/cost-models` names all."""
STARTING = "No worker is ready yet."


class Health:
    """What readiness rests on: the workers, what fails beside them, whether the service stops."""

    def __init__(self, pool: WorkerPool, metrics: Metrics, stopping: Stopping) -> None:
        self._pool, self._metrics, self._stopping = pool, metrics, stopping

    def description(self) -> Description | None:
        """Return what is loaded; None where no worker is ready."""
        return self._pool.description if self._pool.ready else None

    def reasons(self) -> list[str]:
        """Return why it cannot plan, or will not for long."""
        if self._stopping.begun:
            return [STOPPING]
        description = self.description()
        return [STARTING] if description is None else list(description.reasons)

    def notes(self) -> list[str]:
        """Return what goes wrong, and does not keep it from planning."""
        return [*self._metrics.reloads.notes(), *self._metrics.stores.notes()]

    def stores(self) -> dict[str, StoreState]:
        """Return where each store keeps its records."""
        return self._metrics.store_states()


def health_router(health: Health) -> APIRouter:
    """Return the routes of liveness and readiness."""
    routes = APIRouter(tags=["information"])

    @routes.get(
        "/healthz", summary="Whether the process lives", **information_operation(HealthAnswer)
    )
    async def healthz() -> Response:
        return Response(b'{"status":"ok"}', media_type=JSON)

    @routes.get(
        "/readyz",
        summary="Whether it can plan",
        **information_operation(ReadinessAnswer, may_be_unready=True),
    )
    async def readyz(request: Request) -> Response:
        description, reasons = health.description(), health.reasons()
        if description is None or reasons:
            return refuse(_not_ready(reasons, description), request)
        return Response(orjson.dumps(_readiness(description, health)), media_type=JSON)

    return routes


def router(pool: WorkerPool) -> APIRouter:
    """Return the routes of what is loaded."""
    routes = APIRouter(tags=["information"])

    @routes.get(
        "/placements",
        summary="Placements of the service's own fleet",
        **information_operation(PlacementsAnswer, may_be_unready=True),
    )
    async def placements(request: Request) -> Response:
        if pool.description is None:
            return refuse(_not_ready([STARTING]), request)
        return Response(pool.description.placements_body, media_type=JSON)

    @routes.get(
        "/cost-models",
        summary="Cost models that are loaded, and artefacts that were refused",
        **information_operation(CostModelsAnswer, may_be_unready=True),
    )
    async def cost_models(request: Request) -> Response:
        if pool.description is None:
            return refuse(_not_ready([STARTING]), request)
        return Response(pool.description.cost_models_body, media_type=JSON)

    return routes


def metrics_router(metrics: Metrics) -> APIRouter:
    """Return the route of the metrics."""
    routes = APIRouter(tags=["information"])

    @routes.get("/metrics", summary="Prometheus metrics", **metrics_operation())
    async def read_metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics.registry), headers={"content-type": content_type})

    return routes


def _not_ready(reasons: list[str], description: Description | None = None) -> Problem:
    refused = () if description is None else description.refused
    return Problem(
        "not-ready",
        " ".join(reasons),
        extra={
            "reasons": reasons,
            "refused": refused[:MAX_REFUSED],
            "refused_count": len(refused),
        },
        retry_after_s=RETRY_AFTER_S,
    )


def _readiness(description: Description, health: Health) -> ReadinessAnswer:
    return {
        "status": "ready",
        "cost_models": len(description.cost_models),
        "placements": description.placement_count,
        "notes": [*health.notes(), *description.notes],
        "stores": health.stores(),
        "refused": list(description.refused[:MAX_REFUSED]),
        "refused_count": len(description.refused),
    }
