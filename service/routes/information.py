"""What the service is, has loaded and counts: the paths that are read."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

from service.openapi.document import information_operation, metrics_operation
from service.problems import Problem
from service.routes.refusals import refuse
from service.schemas.information import (
    CostModelsAnswer,
    HealthAnswer,
    PlacementsAnswer,
    ReadinessAnswer,
)
from service.telemetry.metrics import Metrics
from service.workers.messages import JSON, Description
from service.workers.pool import RETRY_AFTER_S, WorkerPool

STARTING = "No worker is ready yet."


def health_router(pool: WorkerPool) -> APIRouter:
    """Return the routes that tell whether it lives and can plan."""
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
        description = pool.description
        if description is None or not pool.ready or description.reasons:
            return refuse(_not_ready(description if pool.ready else None), request)
        return Response(_readiness(description), media_type=JSON)

    return routes


def router(pool: WorkerPool) -> APIRouter:
    """Return the routes that tell what is loaded."""
    routes = APIRouter(tags=["information"])

    @routes.get(
        "/placements",
        summary="Placements of the service's own fleet",
        **information_operation(PlacementsAnswer, may_be_unready=True),
    )
    async def placements(request: Request) -> Response:
        if pool.description is None:
            return refuse(_not_ready(None), request)
        return Response(pool.description.placements_body, media_type=JSON)

    @routes.get(
        "/cost-models",
        summary="Cost models that are loaded, and artefacts that were refused",
        **information_operation(CostModelsAnswer, may_be_unready=True),
    )
    async def cost_models(request: Request) -> Response:
        if pool.description is None:
            return refuse(_not_ready(None), request)
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


def _not_ready(description: Description | None) -> Problem:
    reasons = [STARTING] if description is None else list(description.reasons)
    refused = [] if description is None else list(description.refused)
    return Problem(
        "not-ready",
        " ".join(reasons),
        extra={"reasons": reasons, "refused": refused},
        retry_after_s=RETRY_AFTER_S,
    )


def _readiness(description: Description) -> bytes:
    return orjson.dumps(
        {
            "status": "ready",
            "cost_models": len(description.cost_models),
            "placements": description.placement_count,
            "notes": description.notes,
            "refused": description.refused,
        }
    )
