"""Every refusal leaves as problem details, the web framework's own too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from service.calls.content import AnonymousFile
from service.calls.messages import Reply, problem_body
from service.calls.schemas.shards import answer_start
from service.problems import MEDIA_TYPE, Problem, ProblemError, from_status

DESTINATION = "/destination"
FAIL_OPEN = "x-jouleplan-fail-open"
REFUSED = "x-jouleplan-refused"
"""Headers by which a gateway asks for refusals with status 200, and sees one."""


def respond(reply: Reply) -> Response:
    """Return a reply as a response; a large one leaves a chunk at a time."""
    headers = dict(reply.headers)
    if isinstance(reply.body, bytes):
        return Response(reply.body, reply.status, headers, reply.media_type)
    start = answer_start(reply.shards)
    headers["Content-Length"] = str(len(reply.body) - start)
    return StreamingResponse(_flow(reply.body, start), reply.status, headers, reply.media_type)


async def _flow(body: AnonymousFile, start: int) -> AsyncIterator[bytes]:
    for chunk in body.chunks(start=start):
        yield chunk
        # A fast reader would have the event loop to itself otherwise.
        await asyncio.sleep(0)


def refuse(problem: Problem, request: Request) -> Response:
    """Return a problem of `request` as a response."""
    return respond(Reply.of_problem(problem, request.url.path))


def add_refusals(app: FastAPI, prefixes: Sequence[str]) -> None:
    """Answer every error of a route with a problem; its path stands behind any of `prefixes`."""

    async def on_problem(request: Request, error: Exception) -> Response:
        if not isinstance(error, ProblemError):  # pragma: no cover  registered for no other
            raise error
        return refuse(error.problem, request)

    async def on_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):  # pragma: no cover  registered for no other
            raise error
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # The framework names the methods of the first route of a path only.
            methods = _documented_methods(app, request.url.path, prefixes)
            headers["allow"] = ", ".join(methods) or headers.get("allow", "")
        return refuse(from_status(error.status_code, headers), request)

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)


def _documented_methods(app: FastAPI, path: str, prefixes: Sequence[str]) -> list[str]:
    """Return the methods that a path takes, by the OpenAPI document."""
    found = {
        method.upper()
        for template, operations in app.openapi()["paths"].items()
        for method in operations
        if any(compile_path(prefix + template)[0].match(path) for prefix in prefixes)
    }
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


def refuse_openly(problem: Problem, request: Request) -> Response:
    """Refuse a call, with status 200 where it asks for a destination and to fail open.

    Envoy's ext_authz takes every 4xx for a denial of its own client's request: a spent limit of
    the planner would stop the gateway.
    """
    path = request.url.path.removeprefix("/v1")
    wanted = path == DESTINATION or path.startswith(f"{DESTINATION}/")
    if not wanted or request.headers.getlist(FAIL_OPEN) != ["true"]:
        return refuse(problem, request)
    headers = problem.all_headers() | {REFUSED: problem.slug}
    return Response(problem_body(problem, request.url.path), 200, headers, MEDIA_TYPE)
