"""`POST /plan` and `POST /predict`: bytes in, bytes out; the workers do the rest."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from service.calls.messages import Job, Reply
from service.http.access.guard import caller_of
from service.http.openapi.document import plan_operation, predict_operation
from service.http.refusals import respond
from service.http.request_log import CLIENT_GONE
from service.http.routes.bodies import JobReader, Kind
from service.http.routes.negotiation import accepted_type
from service.http.routes.plans import accept, wants_async
from service.plans.plans import AsynchronousPlans
from service.problems import ProblemError
from service.telemetry.metrics import Metrics
from service.workers.pool import WorkerPool


def router(reader: JobReader, metrics: Metrics, plans: AsynchronousPlans) -> APIRouter:
    """Return the routes of the planning calls."""
    routes = APIRouter(tags=["planning"])

    @routes.post("/plan", summary="Place a batch of requests", **plan_operation())
    async def plan(request: Request) -> Response:
        started = perf_counter()
        if wants_async(request):
            return await _accept(request, reader, plans)
        reply = await _answer("plan", request, reader)
        if reply is None:
            return Response(status_code=CLIENT_GONE)
        elapsed_s = perf_counter() - started
        if reply.shards:
            reply = await _kept(reply, elapsed_s, request, plans)
        metrics.count_call(reply.outcome, elapsed_s, reply.tally)
        return respond(reply)

    @routes.post(
        "/predict", summary="Predict every request on every placement", **predict_operation()
    )
    async def predict(request: Request) -> Response:
        reply = await _answer("predict", request, reader)
        return Response(status_code=CLIENT_GONE) if reply is None else respond(reply)

    return routes


async def _answer(kind: Kind, request: Request, reader: JobReader) -> Reply | None:
    """Return the reply to a call, or None where the caller has left."""
    path = request.url.path
    try:
        job = await reader.job(kind, request, accepted_type(request))
        return await _unless_gone(request, reader.pool, job)
    except ProblemError as error:
        return Reply.of_problem(error.problem, path)
    except ClientDisconnect:
        return None


async def _kept(
    reply: Reply, elapsed_s: float, request: Request, plans: AsynchronousPlans
) -> Reply:
    """Return the reply to a batch file once its shards are kept; a problem where they cannot be."""
    path, owner = request.url.path, caller_of(request).owner
    try:
        record = await plans.archive.add_ended(reply, elapsed_s, path, owner)
    except ProblemError as error:
        return Reply.of_problem(error.problem, path)
    if record.problem is None or record.head is None:
        return reply
    head = record.head
    outcome = orjson.loads(record.problem)["type"].rpartition(":")[2]
    return Reply(head.status, record.problem, head.media_type, outcome, head.headers)


async def _accept(request: Request, reader: JobReader, plans: AsynchronousPlans) -> Response:
    try:
        job = await reader.job("plan", request, accepted_type(request), patient=True)
    except ClientDisconnect:
        return Response(status_code=CLIENT_GONE)
    return await accept(job, request, plans)


async def _unless_gone(request: Request, pool: WorkerPool, job: Job) -> Reply | None:
    """Return the reply to a job; when the caller leaves, drop the job and return None."""
    work = asyncio.create_task(pool.submit(job))
    return await work if await ended_before_caller_left(work, request) else None


async def ended_before_caller_left(task: asyncio.Task[Any], request: Request) -> bool:
    """Wait for a task, or until the caller has left; return False then, with the task cancelled."""
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.done()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
