"""`POST /destination`: a decision as Envoy asks for it, in the headers of the answer.

Envoy's ext_authz filter sends a request's path behind a prefix, its body, and the headers that its
configuration adds; it copies headers of a 200 onto the request. A 4xx it takes for a denial, which
is why a gateway can ask for refusals with status 200.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from service.calls.messages import JSON
from service.calls.request_body import check_body
from service.calls.schemas.decisions import CandidateBody, CompletionBody, DecisionBody
from service.calls.schemas.fields import MAX_SECONDS
from service.calls.schemas.names import MAX_WRITTEN, read_llm
from service.calls.validation import parse
from service.decisions.decision_service import DecisionRecord, DecisionService
from service.decisions.metrics import DecisionMetrics
from service.http.openapi.gateways import (
    CANDIDATES,
    DEADLINE,
    DECISION_ID,
    ENDPOINT,
    LLM,
    NOT_COUNTED,
    POOL,
    ROUTE,
    destination_operation,
)
from service.http.refusals import refuse_openly
from service.http.routes.bodies import read_small_bytes
from service.http.routes.decisions import answer_of
from service.http.routes.endpoints import endpoints_of
from service.problems import FieldError, Problem, ProblemError

_NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_HEADERS_OF_POINTERS = {"/candidates": CANDIDATES, "/llm": LLM}


def router(decisions: DecisionService, metrics: DecisionMetrics) -> APIRouter:
    """Return the routes of destinations."""
    routes = APIRouter(tags=["decisions"])

    async def destination(request: Request) -> Response:
        try:
            body = await read_small_bytes(request)
            started = perf_counter()
            record = _decide(decisions, request, body)
        except ProblemError as error:
            metrics.count_refusal(error.problem.slug)
            return refuse_openly(error.problem, request)
        answer = orjson.dumps(answer_of(record))
        metrics.count_decision(record, perf_counter() - started)
        return Response(answer, 200, _headers_of(record), JSON)

    summary = "Choose the endpoint of one request"
    for path, in_path in (("/destination", False), ("/destination/{path:path}", True)):
        routes.add_api_route(
            path,
            destination,
            methods=["POST"],
            summary=summary,
            **destination_operation(in_path=in_path),
        )
    return routes


def _decide(decisions: DecisionService, request: Request, body: bytes) -> DecisionRecord:
    completion = parse(body or b"{}", CompletionBody).root
    check_body(completion)
    asked = body_of(Headers(request), completion)
    try:
        return decisions.decide(asked)
    except ProblemError as error:
        in_header = request.headers.get(LLM) is not None
        raise ProblemError(_as_sent(error.problem, in_header=in_header)) from None


class Headers:
    """The headers of a call by which a decision is asked for, each at most once."""

    def __init__(self, request: Request) -> None:
        self._headers = request.headers

    def get(self, name: str) -> str | None:
        """Return a header's value; refuse one that is there twice: it may be a client's."""
        values = self._headers.getlist(name)
        if len(values) > 1:
            raise _wrong(name, "Expected it once, got it several times.")
        return values[0] if values else None


def body_of(headers: Headers, request: Mapping[str, Any]) -> DecisionBody:
    """Return the body of a decision by a completion and its headers; a refusal names the header."""
    llm = read_llm(_llm(headers, request))
    given = headers.get(CANDIDATES)
    candidates = None
    if given is not None:
        try:
            endpoints = endpoints_of(given)
        except ValueError as error:
            raise _wrong(CANDIDATES, str(error)) from None
        candidates = [
            CandidateBody(llm=llm, pool=pool, name=endpoint) for pool, endpoint in endpoints.items()
        ]
    return DecisionBody(
        llm=llm,
        request=dict(request),
        candidates=candidates,
        route=_route(headers),
        deadline_seconds=_deadline(headers),
    )


def _llm(headers: Headers, request: Mapping[str, Any]) -> str:
    given = headers.get(LLM)
    published = request.get("model") if given is None else given
    if not isinstance(published, str) or not 0 < len(published) <= MAX_WRITTEN:
        message = f"Expected it, or a body that names its model, in at most {MAX_WRITTEN} letters."
        raise _wrong(LLM, message)
    return published


def _route(headers: Headers) -> str | None:
    given = headers.get(ROUTE)
    if given is not None and not (len(given) <= 128 and given.isprintable()):
        raise _wrong(ROUTE, "Expected at most 128 printable characters.")
    return given


def _deadline(headers: Headers) -> float | None:
    given = headers.get(DEADLINE)
    if given is None:
        return None
    if len(given) <= 32 and _NUMBER.fullmatch(given) and 0 < float(given) <= MAX_SECONDS:
        return float(given)
    raise _wrong(DEADLINE, f"Expected seconds above 0, at most {MAX_SECONDS:g}, got {given!r:.40}.")


def _headers_of(record: DecisionRecord) -> dict[str, str]:
    row = record.chosen.cost.row
    headers = {DECISION_ID: record.decision_id, POOL: row.pool}
    if record.tokens.uncounted:
        headers[NOT_COUNTED] = ", ".join(
            f"{n} {kind}" for kind, n in record.tokens.uncounted.items()
        )
    endpoint = record.names.get((row.llm, row.pool))
    return headers if endpoint is None else headers | {ENDPOINT: endpoint}


def _wrong(header: str, message: str) -> ProblemError:
    detail = f"{header}: {message}"
    return ProblemError(Problem("invalid-request", detail, [FieldError("", detail)]))


def _as_sent(problem: Problem, *, in_header: bool) -> Problem:
    """Return a refusal that names what the caller sent: headers, or the model of the completion."""
    errors = []
    for error in problem.errors:
        if error.pointer == "/llm" and not in_header:
            errors.append(FieldError("/model", error.detail))
        elif error.pointer in _HEADERS_OF_POINTERS:
            header = _HEADERS_OF_POINTERS[error.pointer]
            errors.append(FieldError("", f"{header}: {error.detail}"))
        else:
            errors.append(error)
    if not errors:
        return problem
    first = errors[0]
    detail = f"{first.pointer}: {first.detail}" if first.pointer else first.detail
    return replace(problem, errors=errors, detail=detail)
