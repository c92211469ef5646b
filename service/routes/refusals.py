"""Every refusal leaves as problem details, the web framework's own too."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from service.problems import Problem, ProblemError, from_status
from service.workers.messages import Reply


def respond(reply: Reply) -> Response:
    """Return a reply as a response."""
    return Response(
        content=reply.body,
        status_code=reply.status,
        media_type=reply.media_type,
        headers=dict(reply.headers),
    )


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
