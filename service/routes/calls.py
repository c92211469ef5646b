"""`POST /plan` and `POST /predict`: bytes in, bytes out; the workers do the rest."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Literal

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from service.background.plans import BackgroundPlans
from service.openapi.document import plan_operation, predict_operation
from service.problems import Problem, ProblemError
from service.routes.arrival import Arrival
from service.routes.negotiation import preferred
from service.routes.plans import accept, wants_async
from service.routes.refusals import respond
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.telemetry.request_log import CLIENT_GONE
from service.workers.memory import estimated_bytes
from service.workers.messages import ARROW, JSON, Job, Reply
from service.workers.pool import WorkerPool

Kind = Literal["plan", "predict"]

TYPES = (JSON, ARROW)
"""What is read and written, the one that is given unasked first."""


def router(
    settings: Settings, pool: WorkerPool, metrics: Metrics, background: BackgroundPlans
) -> APIRouter:
    """Return the routes of the planning calls."""
    routes = APIRouter(tags=["planning"])

    @routes.post("/plan", summary="Place a batch of requests", **plan_operation())
    async def plan(request: Request) -> Response:
        started = perf_counter()
        if wants_async(request):
            return await _accept(request, settings, pool, background)
        reply = await _answer("plan", request, settings, pool)
        if reply is None:
            return Response(status_code=CLIENT_GONE)
        metrics.count_call(reply.outcome, perf_counter() - started, reply.tally)
        return respond(reply)

    @routes.post(
        "/predict", summary="Predict every request on every placement", **predict_operation()
    )
    async def predict(request: Request) -> Response:
        reply = await _answer("predict", request, settings, pool)
        return Response(status_code=CLIENT_GONE) if reply is None else respond(reply)

    return routes


async def _answer(
    kind: Kind, request: Request, settings: Settings, pool: WorkerPool
) -> Reply | None:
    """Return the reply to a call, or None where the caller has left."""
    path = request.url.path
    try:
        return await _unless_gone(request, pool, await _job(kind, request, settings, pool))
    except ProblemError as error:
        return Reply.of_problem(error.problem, path)
    except ClientDisconnect:
        return None


async def _accept(
    request: Request, settings: Settings, pool: WorkerPool, background: BackgroundPlans
) -> Response:
    try:
        job = await _job("plan", request, settings, pool)
    except ClientDisconnect:
        return Response(status_code=CLIENT_GONE)
    return await accept(job, request, background)


async def _job(kind: Kind, request: Request, settings: Settings, pool: WorkerPool) -> Job:
    """Return a call when its body has arrived.

    Raises
    ------
    ProblemError
        406 where no type of answer is accepted, 413, 415 and 429 for the body.
    """
    media_type = _media_type(request)
    accept = _accepted(request)
    arrival = Arrival(pool, settings.max_body_bytes)
    body = await arrival.read(request)
    return Job(
        kind,
        body,
        request.url.path,
        request.state.request_id,
        media_type=media_type,
        accept=accept,
        memory_bytes=estimated_bytes(
            media_type,
            arrival.size,
            arrival.commas,
            0 if pool.description is None else pool.description.placement_count,
            settings.max_requests,
        ),
    )


def _media_type(request: Request) -> str:
    given = request.headers.get("content-type", "")
    media_type = given.partition(";")[0].strip().lower()
    if media_type not in TYPES:
        message = f"Expected Content-Type {' or '.join(TYPES)}, got {given or 'none'!r:.100}."
        raise ProblemError(Problem("unsupported-media-type", message))
    return media_type


def _accepted(request: Request) -> str:
    given = ",".join(request.headers.getlist("accept"))
    found = preferred(given, TYPES)
    if found is None:
        message = f"Expected Accept to admit {' or '.join(TYPES)}, got {given!r:.100}."
        raise ProblemError(Problem("not-acceptable", message))
    return found


async def _unless_gone(request: Request, pool: WorkerPool, job: Job) -> Reply | None:
    """Return the reply to a job; when the caller leaves, drop the job and return None."""
    work = asyncio.create_task(pool.submit(job))
    gone = asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await work if work.done() else None
    finally:
        work.cancel()
        gone.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
