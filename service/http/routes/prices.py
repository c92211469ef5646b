"""`GET /prices`: what each LLM on each pool would cost now, for gateways that rank themselves."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request, Response

from costmodel.one_request import Prompts, Terms
from service.calls.messages import JSON
from service.calls.schemas.decisions import (
    PRICED_INPUT_TOKENS,
    PRICED_OUTPUT_TOKENS,
    PriceAnswer,
    PricesAnswer,
)
from service.calls.schemas.fields import MAX_TOKENS
from service.decisions.decision_service import DecisionService
from service.decisions.rule import Quote
from service.http.openapi.gateways import prices_operation
from service.http.routes.decisions import policy_answer
from service.http.routes.queries import query_number


def router(decisions: DecisionService) -> APIRouter:
    """Return the route of prices."""
    routes = APIRouter(tags=["decisions"])

    @routes.get("/prices", summary="Price a request everywhere", **prices_operation())
    async def prices(request: Request) -> Response:
        tin = query_number(request, "input_tokens", 0, MAX_TOKENS)
        tout = query_number(request, "output_tokens", 1, MAX_TOKENS)
        tin = PRICED_INPUT_TOKENS if tin is None else tin
        tout = PRICED_OUTPUT_TOKENS if tout is None else tout
        quotes = decisions.prices(Terms(Prompts.of(float(tin)), float(tout)))
        answer: PricesAnswer = {
            "policy": policy_answer(decisions.policy),
            "input_tokens": tin,
            "output_tokens": tout,
            "prices": [_priced(quote) for quote in quotes],
        }
        return Response(orjson.dumps(answer), media_type=JSON)

    return routes


def _priced(quote: Quote) -> PriceAnswer:
    cost, row = quote.cost, quote.cost.row
    return {
        "llm": row.llm,
        "pool": row.pool,
        "device": row.device,
        "concurrency": row.concurrency,
        "price_joules": quote.price_j,
        "energy_joules": cost.energy_j,
        "runtime_seconds": cost.runtime_s,
        "device_seconds": cost.device_seconds,
        "wait_seconds": quote.wait_s,
    }
