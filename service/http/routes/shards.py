"""The shards of a batch file: listed, and each as the lines that one placement serves."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from service.calls.messages import JSON
from service.calls.schemas.shards import JSONL, ShardsAnswer, shard_answers
from service.http.access.guard import caller_of
from service.http.openapi.plans import shard_operation, shards_operation
from service.http.routes.plans import base_of
from service.plans.archive import PLAN_NOT_FOUND
from service.plans.plans import AsynchronousPlans
from service.plans.records import PlanRecord, ReplyHead
from service.problems import Problem, ProblemError

MAX_DIGITS = 6
NOT_MODIFIED = 304


def router(plans: AsynchronousPlans) -> APIRouter:
    """Return the routes of shards."""
    routes = APIRouter(tags=["shards of batch files"])

    @routes.get("/plans/{plan_id}/shards", summary="Shards of a batch file", **shards_operation())
    async def list_shards(request: Request) -> Response:
        record, head = await _planned(request, plans)
        path = f"{base_of(request)}/plans/{record.plan_id}"
        body: ShardsAnswer = {"plan_id": record.plan_id, "shards": shard_answers(head.shards, path)}
        return Response(orjson.dumps(body), media_type=JSON)

    @routes.get(
        "/plans/{plan_id}/shards/{index}", summary="The lines of a shard", **shard_operation()
    )
    async def shard(request: Request) -> Response:
        record, head = await _planned(request, plans)
        index = _index(str(request.path_params["index"]), len(head.shards))
        found = head.shards[index]
        headers = {"ETag": f'"{found.sha256}"', "Cache-Control": "private, no-cache"}
        if _has_already(request, found.sha256):
            return Response(status_code=NOT_MODIFIED, headers=headers)
        headers["Content-Disposition"] = f'attachment; filename="{found.filename}"'
        headers["Content-Length"] = str(found.size)
        start = sum(before.size for before in head.shards[:index])
        body = plans.archive.body(record, start, start + found.size)
        return StreamingResponse(body, 200, headers, JSONL)

    return routes


async def _planned(request: Request, plans: AsynchronousPlans) -> tuple[PlanRecord, ReplyHead]:
    """Return a plan that has shards; refuse with 404, 409 or 410 where there is none."""
    plan_id, viewer = str(request.path_params["plan_id"]), caller_of(request).owner
    archive = plans.archive
    try:
        record = await plans.find(plan_id, viewer)
    except ProblemError as error:
        if error.problem.slug == PLAN_NOT_FOUND and await archive.is_gone(plan_id, viewer):
            message = "The plan was forgotten, or dropped for its age or to make room."
            raise ProblemError(Problem("plan-gone", message)) from None
        raise
    if not record.ended:
        detail = f"The plan is {record.status}."
        raise ProblemError(Problem("not-finished", detail, retry_after_s=1))
    if record.status != "finished" or record.head is None:
        raise ProblemError(Problem("no-result", f"The plan {_fate(record.status)}."))
    if not record.head.shards:
        raise ProblemError(Problem("shard-not-found", "The plan is not that of a batch file."))
    return record, record.head


def _fate(status: str) -> str:
    return status if status == "failed" else f"was {status}"


def _index(text: str, count: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS and int(text) < count:
        return int(text)
    message = f"Expected the index of one of {count} shards, got {text:.40}."
    raise ProblemError(Problem("shard-not-found", message))


def _has_already(request: Request, digest: str) -> bool:
    """Whether the caller has the bytes, as `If-None-Match` tells (RFC 9110, 13.1.2)."""
    given = ",".join(request.headers.getlist("if-none-match"))
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return bool(tags & {"*", f'"{digest}"'})
