"""Every refusal leaves as problem details, the web framework's own too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

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
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods(app, request))
        return refuse(from_status(error.status_code, headers), request)

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)


def _methods(app: FastAPI, request: Request) -> list[str]:
    """Return the methods that the path of a request takes, whichever routes they are of."""
    found: set[str] = set()
    for route in app.router.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)
