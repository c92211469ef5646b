"""How long decisions take, as the metrics tell: reading what a gateway sent is a part of it."""

from __future__ import annotations

from time import perf_counter

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from service.calls.schemas.decisions import DecisionBody
from service.calls.validation import parse
from service.decisions.decision_service import DecisionService
from service.decisions.metrics import DecisionMetrics
from service.http.routes import decisions, destinations
from service.telemetry.labels import Labels
from tests.service.decisions.test_decision_service import ROWS

SUM = "jouleplan_decision_duration_seconds_sum"
BODY = b'{"llm": "a", "request": {"model": "a", "logit_bias": [%s7]}}' % (b"7, " * 250_000)
COMPLETION = b'{"model": "a", "logit_bias": [%s7]}' % (b"7, " * 250_000)


def parse_seconds() -> float:
    started = perf_counter()
    parse(BODY, DecisionBody)
    return perf_counter() - started


@pytest.mark.anyio
@pytest.mark.parametrize(("path", "body"), [("/decision", BODY), ("/destination", COMPLETION)])
async def test_the_time_to_read_a_long_body_counts(path: str, body: bytes) -> None:
    registry, decision_service, app = CollectorRegistry(), DecisionService(), FastAPI()
    decision_service.load(ROWS)
    metrics = DecisionMetrics(registry, Labels())
    app.include_router(decisions.Decisions(decision_service, metrics).router())
    app.include_router(destinations.router(decision_service, metrics))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        answer = await client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    told = registry.get_sample_value(SUM)
    assert told is not None
    assert told > min(parse_seconds() for _ in range(5)) / 2
