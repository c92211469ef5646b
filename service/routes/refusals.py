"""Every refusal leaves as problem details, the web framework's own too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from service.problems import Problem, ProblemError, from_status
from service.workers.anonymous_file import AnonymousFile
from service.workers.messages import Reply


def respond(reply: Reply) -> Response:
    """Return a reply as a response; a large one leaves a chunk at a time."""
    headers = dict(reply.headers)
    if isinstance(reply.body, bytes):
        return Response(reply.body, reply.status, headers, reply.media_type)
    headers["Content-Length"] = str(len(reply.body))
    return StreamingResponse(_flow(reply.body), reply.status, headers, reply.media_type)


async def _flow(body: AnonymousFile) -> AsyncIterator[bytes]:
    for chunk in body.chunks():
        yield chunk
        # A fast reader would have the event loop to itself otherwise.
        await asyncio.sleep(0)


def refuse(problem: Problem, request: Request) -> Response:
    """Return a problem of `request` as a response."""
    return respond(Reply.of_problem(problem, request.url.path))


def add_refusals(app: FastAPI) -> None:
    """Answer every error that a route raises with a problem."""

    async def on_problem(request: Request, error: Exception) -> Response:
        if not isinstance(error, ProblemError):  # pragma: no cover  registered for no other
            raise error
        return refuse(error.problem, request)

    async def on_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):  # pragma: no cover  registered for no other
            raise error
        problem = from_status(error.status_code, error.headers)
        return refuse(problem, request)

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)
