"""`POST /plan/frontier`: the lines of a front as a worker finds them, NDJSON or events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import cast

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from service.calls.content import to_bytes
from service.calls.messages import EVENT_STREAM, NDJSON, Job, Reply, Update
from service.calls.schemas.frontier import ProblemLine
from service.http.openapi.document import frontier_operation
from service.http.refusals import respond
from service.http.request_log import CLIENT_GONE
from service.http.routes.bodies import JobReader
from service.http.routes.calls import ended_before_caller_left
from service.problems import ProblemError
from service.telemetry.metrics import Metrics
from service.workers.pool import WorkerPool

POINT = "point"
PROBLEM = "problem"


def router(reader: JobReader, metrics: Metrics) -> APIRouter:
    """Return the route of fronts."""
    routes = APIRouter(tags=["planning"])

    @routes.post(
        "/plan/frontier", summary="Trade one quantity of a plan for another", **frontier_operation()
    )
    async def frontier(request: Request) -> Response:
        path = request.url.path
        started = perf_counter()
        try:
            job = await reader.job("frontier", request)
        except ProblemError as error:
            reply = Reply.of_problem(error.problem, path)
            metrics.count_front(reply.outcome, perf_counter() - started, 0)
            return respond(reply)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        lines = UpdateStream(reader.pool, job)
        if not await lines.begun(request):
            await lines.stop()
            return Response(status_code=CLIENT_GONE)
        if lines.first is None:
            reply = await lines.reply()
            metrics.count_front(reply.outcome, perf_counter() - started, 0)
            return respond(reply)
        lines_as = line_format(request.headers.get("accept", ""))

        async def stream() -> AsyncIterator[bytes]:
            try:
                async for update in lines.updates():
                    yield lines_as.write(update)
                reply = await lines.reply()
                if reply.status != 200:
                    yield lines_as.write(_problem(reply))
                metrics.count_front(reply.outcome, perf_counter() - started, lines.points)
            finally:
                await lines.stop()

        return StreamingResponse(
            stream(), media_type=lines_as.media_type, headers={"Cache-Control": "no-store"}
        )

    return routes


def _problem(reply: Reply) -> Update:
    """Return what went wrong after the first line was sent, as the last line."""
    line: ProblemLine = {
        "type": "problem",
        "problem": cast("dict[str, object]", orjson.Fragment(to_bytes(reply.body))),
    }
    return Update(PROBLEM, orjson.dumps(line))


class UpdateStream:
    """The updates of one call, as they come from its worker.

    Attributes
    ----------
    first
        The first update; None where the call was answered without any.
    points
        How many points have passed.
    """

    def __init__(self, pool: WorkerPool, job: Job) -> None:
        self._path = job.path
        self._queue: asyncio.Queue[Update | None] = asyncio.Queue()
        self._work = asyncio.create_task(pool.submit(job, self._queue.put_nowait))
        self._work.add_done_callback(lambda _: self._queue.put_nowait(None))
        self.first: Update | None = None
        self.points = 0

    async def begun(self, request: Request) -> bool:
        """Wait for the first update, or the reply; return False if the caller left before."""
        first = asyncio.create_task(self._queue.get())
        begun = await ended_before_caller_left(first, request)
        self.first = first.result() if begun else None
        return begun

    async def updates(self) -> AsyncIterator[Update]:
        """Yield the first update and all that follow, until the reply is there."""
        update = self.first
        while update is not None:
            self.points += update.kind == POINT
            yield update
            update = await self._queue.get()

    async def reply(self) -> Reply:
        """Return the reply, what went wrong with the worker as a problem."""
        try:
            return await self._work
        except ProblemError as error:
            return Reply.of_problem(error.problem, self._path)

    async def stop(self) -> None:
        """End the call, and with it its worker if it is still at work."""
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)


@dataclass(frozen=True)
class LineFormat:
    """A way to write a stream of JSON lines: newline-delimited, or as server-sent events."""

    media_type: str
    write: Callable[[Update], bytes]


def line_format(accept: str) -> LineFormat:
    r"""Return the format that an `Accept` header asks for: events only where it names them.

    Examples
    --------
    >>> line_format("*/*").write(Update("point", b'{"index":0}'))
    b'{"index":0}\n'
    >>> line_format("text/event-stream").write(Update("point", b'{"index":0}'))
    b'event: point\ndata: {"index":0}\n\n'
    """
    named = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if EVENT_STREAM in named:
        return LineFormat(EVENT_STREAM, _event)
    return LineFormat(NDJSON, lambda update: update.body + b"\n")


def _event(update: Update) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (update.kind.encode(), update.body)
