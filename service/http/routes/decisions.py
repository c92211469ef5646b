"""`POST /decision`: one request, one placement, answered without a worker."""

from __future__ import annotations

import time
from time import perf_counter

import orjson
from fastapi import APIRouter, Request, Response
from starlette.routing import Route

from service.calls.messages import JSON
from service.calls.prompts.uncounted import EMPTY, NOT_COUNTED, describe_uncounted
from service.calls.request_body import check_body
from service.calls.schemas.answers import WarningAnswer
from service.calls.schemas.decisions import (
    DecidedPlacement,
    DecisionAnswer,
    DecisionBody,
    PolicyAnswer,
    PredictedAnswer,
    RunnerUpAnswer,
)
from service.calls.validation import parse
from service.decisions.decision_service import DecisionRecord, DecisionService
from service.decisions.metrics import DecisionMetrics
from service.decisions.policy import Policy
from service.decisions.rule import Quote
from service.http.openapi.document import small_operation
from service.http.openapi.examples import DECISION_EXAMPLES
from service.http.refusals import refuse
from service.http.routes.bodies import read_small_bytes
from service.problems import ProblemError

PATH = "/decision"
UNKNOWN = "unknown_candidates"


class Decisions:
    """Serves `POST /decision`, and counts what was decided."""

    def __init__(self, decisions: DecisionService, metrics: DecisionMetrics) -> None:
        self._decisions, self._metrics = decisions, metrics

    async def decide(self, request: Request) -> Response:
        """Decide one request."""
        try:
            content = await read_small_bytes(request)
            started = perf_counter()
            body = parse(content, DecisionBody)
            check_body(body.request or {}, "request")
            record = self._decisions.decide(body)
        except ProblemError as error:
            self._metrics.count_refusal(error.problem.slug)
            return refuse(error.problem, request)
        answer = orjson.dumps(answer_of(record))
        self._metrics.count_decision(record, perf_counter() - started)
        return Response(answer, media_type=JSON)

    def router(self) -> APIRouter:
        """Return the route as the OpenAPI document has it."""
        routes = APIRouter(tags=["decisions"])
        routes.add_api_route(
            PATH,
            self.decide,
            methods=["POST"],
            summary="Place one request",
            **small_operation(DecisionBody, DecisionAnswer, DECISION_EXAMPLES),
        )
        return routes

    def direct(self, prefix: str) -> Route:
        """Return the route that serves, without the framework's injection of parameters.

        It takes a third of what an answer takes, and finds nothing to inject.
        """
        return Route(prefix + PATH, self.decide, methods=["POST"])


def answer_of(record: DecisionRecord) -> DecisionAnswer:
    """Return a decision as the body of its answer."""
    runner_up: RunnerUpAnswer | None = None
    if record.runner_up is not None:
        runner_up = {
            **_placement(record, record.runner_up),
            "why": "price" if record.runner_up.in_time else "late",
            "extra_price_joules": record.runner_up.price_j - record.chosen.price_j,
        }
    return {
        "decision_id": record.decision_id,
        "placement": _placement(record, record.chosen),
        "runner_up": runner_up,
        "policy": policy_answer(record.policy),
        "tokens": {
            "input_tokens": record.tokens.prompts.tokens,
            "prompts": record.tokens.prompts.size,
            "output_tokens": record.tokens.output_tokens,
            "output_tokens_high": record.tokens.output_tokens_high,
            "choices": record.tokens.choices,
            "input_from": record.tokens.input_from,
            "output_from": record.tokens.output_from,
        },
        "warnings": _warnings(record),
    }


def _warnings(record: DecisionRecord) -> list[WarningAnswer]:
    texts = {UNKNOWN: record.unknown} if record.unknown is not None else {}
    if record.tokens.uncounted:
        texts[NOT_COUNTED] = describe_uncounted(record.tokens.uncounted)
    if record.tokens.empty:
        texts[EMPTY] = "Decided at 1 input token, for want of a prompt in what counts as one."
    return [{"code": code, "message": message} for code, message in texts.items()]


def policy_answer(policy: Policy) -> PolicyAnswer:
    """Return a policy as answers have it."""
    now = time.time()
    return {
        "source": policy.source,
        "plan_id": policy.plan_id,
        "age_seconds": None if policy.made_at is None else now - policy.made_at,
        "expires_in_seconds": None if policy.expires_at is None else policy.expires_at - now,
    }


def _placement(record: DecisionRecord, quote: Quote) -> DecidedPlacement:
    cost, row = quote.cost, quote.cost.row
    return {
        "index": row.index,
        "llm": row.llm,
        "pool": row.pool,
        "device": row.device,
        "concurrency": row.concurrency,
        "name": record.names.get((row.llm, row.pool)),
        "energy_joules": _predicted(cost.energy_j, cost.energy_bounds()),
        "runtime_seconds": _predicted(cost.runtime_s, cost.runtime_bounds()),
        "device_seconds": cost.device_seconds,
        "correction": {"energy": cost.energy_factor, "runtime": cost.runtime_factor},
        "wait_seconds": quote.wait_s,
        "in_time": quote.in_time,
        "extrapolated": row.extrapolates(record.tokens.prompts, record.tokens.output_tokens),
    }


def _predicted(value: float, bounds: tuple[float, float] | None) -> PredictedAnswer:
    low, high = bounds or (None, None)
    return {"value": value, "low": low, "high": high}
