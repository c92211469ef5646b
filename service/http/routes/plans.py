"""Asynchronous plans: how each stands, its events, its answer, its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from service.calls.messages import EVENT_STREAM, JSON, Job
from service.calls.schemas.information import ProblemAnswer
from service.calls.schemas.plans import PlansAnswer, PlanStatusAnswer
from service.calls.schemas.shards import answer_start
from service.http.access.guard import caller_of
from service.http.openapi.plans import (
    cancel_operation,
    events_operation,
    list_operation,
    result_operation,
    status_operation,
)
from service.http.routes.queries import query_number
from service.plans.plans import AsynchronousPlans
from service.plans.records import PlanRecord
from service.plans.run import Event
from service.problems import Problem, ProblemError

RESPOND_ASYNC = "respond-async"
DEFAULT_PAGE = 20
MAX_PAGE = 100
MAX_NUMBER = 2**63 - 1
HEARTBEAT = b": still here\n\n"


def router(plans: AsynchronousPlans) -> APIRouter:
    """Return the routes of asynchronous plans."""
    routes = APIRouter(tags=["asynchronous plans"])

    @routes.get("/plans", summary="Recent asynchronous plans", **list_operation())
    async def list_plans(request: Request) -> Response:
        limit = query_number(request, "limit", 1, MAX_PAGE) or DEFAULT_PAGE
        before = query_number(request, "before", 1, MAX_NUMBER)
        records = await plans.recent(limit, before, caller_of(request).owner)
        body = list_body(
            records, base_of(request), limit, survives_restart=plans.archive.survives_restart
        )
        return Response(body, media_type=JSON)

    @routes.get("/plans/{plan_id}", summary="How a plan stands", **status_operation())
    async def status(request: Request) -> Response:
        if EVENT_STREAM in request.headers.get("accept", "").lower():
            return await _stream(request, plans)
        record = await plans.find(_plan_id(request), caller_of(request).owner)
        body = status_body(record, base_of(request))
        return Response(body, media_type=JSON, headers={"Cache-Control": "no-store"})

    @routes.get("/plans/{plan_id}/events", summary="Its progress as events", **events_operation())
    async def events(request: Request) -> Response:
        return await _stream(request, plans)

    @routes.get("/plans/{plan_id}/result", summary="Its answer", **result_operation())
    async def result(request: Request) -> Response:
        record = await plans.find(_plan_id(request), caller_of(request).owner)
        return _result(record, plans)

    @routes.delete("/plans/{plan_id}", summary="Cancel or forget a plan", **cancel_operation())
    async def cancel(request: Request) -> Response:
        viewer = caller_of(request).owner
        record = await plans.cancel_or_remove(_plan_id(request), viewer)
        if record is None:
            return Response(status_code=204)
        return Response(status_body(record, base_of(request)), media_type=JSON)

    return routes


def wants_async(request: Request) -> bool:
    """Whether the caller prefers not to wait for the answer (RFC 7240)."""
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    return any(p.partition(";")[0].strip().lower() == RESPOND_ASYNC for p in preferences)


async def accept(job: Job, request: Request, plans: AsynchronousPlans) -> Response:
    """Return 202 with where to look for the plan; refuse it with 429 or 503."""
    caller = caller_of(request)
    record = await plans.start(job, caller.owner, caller.permit)
    base = base_of(request)
    headers = {
        "Location": f"{base}/plans/{record.plan_id}",
        "Preference-Applied": RESPOND_ASYNC,
    }
    return Response(status_body(record, base), 202, headers, JSON)


def base_of(request: Request) -> str:
    """Return what stands before `/plan` or `/plans` in the path of a call."""
    return request.url.path.rpartition("/plan")[0]


def _plan_id(request: Request) -> str:
    return str(request.path_params["plan_id"])


async def _stream(request: Request, plans: AsynchronousPlans) -> Response:
    given = request.headers.get("last-event-id", "").strip()
    after = int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else None
    events = await plans.events(_plan_id(request), after, caller_of(request).owner)
    if events is None:
        # By this status an EventSource knows not to come back.
        return Response(status_code=204)
    headers, base = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, base_of(request)
    stream = (event_bytes(event, base) async for event in events)
    return StreamingResponse(stream, media_type=EVENT_STREAM, headers=headers)


def _result(record: PlanRecord, plans: AsynchronousPlans) -> Response:
    head = record.head
    if head is None and record.ended:
        raise ProblemError(Problem("no-result", f"The plan was {record.status}."))
    if head is None:
        raise ProblemError(
            Problem("not-finished", f"The plan is {record.status}.", retry_after_s=1)
        )
    headers = dict(head.headers)
    if record.problem is not None:
        return Response(record.problem, head.status, headers, head.media_type)
    start = answer_start(head.shards)
    headers["Content-Length"] = str(head.size - start)
    body = plans.archive.body(record, start, head.size)
    return StreamingResponse(body, head.status, headers, head.media_type)


def status_document(record: PlanRecord, base: str) -> PlanStatusAnswer:
    """Return the state of a plan; `base` stands before `/plans` in the path of the call."""
    progress, path = record.progress, f"{base}/plans/{record.plan_id}"
    return {
        "plan_id": record.plan_id,
        "status": record.status,
        "phase": progress.phase if record.status == "running" else None,
        "incumbent": progress.incumbent,
        "lower_bound": progress.lower_bound,
        "gap": progress.gap,
        "elapsed_seconds": record.elapsed_s,
        "created_at": datetime.fromtimestamp(record.created_at, UTC).isoformat(
            timespec="milliseconds"
        ),
        "links": {
            "self": path,
            "events": f"{path}/events",
            "result": f"{path}/result" if record.head is not None else None,
            "shards": f"{path}/shards" if record.head and record.head.shards else None,
        },
        "problem": None
        if record.problem is None
        else cast(ProblemAnswer, orjson.Fragment(record.problem)),
    }


def status_body(record: PlanRecord, base: str) -> bytes:
    """Return the state of a plan as JSON."""
    return orjson.dumps(status_document(record, base))


def list_body(
    records: Sequence[PlanRecord], base: str, limit: int, *, survives_restart: bool
) -> bytes:
    """Return a page of plans as JSON, with the path of the next one where this one is full."""
    following = None
    if len(records) == limit:
        following = f"{base}/plans?limit={limit}&before={records[-1].number}"
    answer: PlansAnswer = {
        "plans": [status_document(record, base) for record in records],
        "next": following,
        "survives_restart": survives_restart,
    }
    return orjson.dumps(answer)


def event_bytes(event: Event | None, base: str) -> bytes:
    """Return an event as it is sent; a comment where there is none."""
    if event is None:
        return HEARTBEAT
    data = status_body(event.record, base)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.number, event.name.encode(), data)
