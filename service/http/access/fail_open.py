"""Refusals that a gateway does not take for a denial."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from service.calls.messages import problem_body
from service.http.gateway_headers import FAIL_OPEN, REFUSED
from service.http.refusals import refuse
from service.problems import MEDIA_TYPE, Problem

DESTINATION = "/destination"


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
