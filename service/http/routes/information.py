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


def health_router(pool: WorkerPool, metrics: Metrics, stopping: Stopping) -> APIRouter:
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
        description = pool.description if pool.ready else None
        if stopping.begun:
            return refuse(_not_ready([STOPPING], description), request)
        if description is None or description.reasons:
            reasons = [STARTING] if description is None else list(description.reasons)
            return refuse(_not_ready(reasons, description), request)
        notes = (*metrics.reloads.notes(), *metrics.stores.notes(), *description.notes)
        answer: ReadinessAnswer = {
            "status": "ready",
            "cost_models": len(description.cost_models),
            "placements": description.placement_count,
            "notes": list(notes),
            "stores": metrics.store_states(),
            "refused": list(description.refused[:MAX_REFUSED]),
            "refused_count": len(description.refused),
        }
        return Response(orjson.dumps(answer), media_type=JSON)

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
