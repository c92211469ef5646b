"""How long decisions take, as the metrics tell: reading what a gateway sent is a part of it."""

from __future__ import annotations

from time import perf_counter
from types import ModuleType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from service.calls.validation import parse
from service.decisions.decision_service import DecisionService
from service.decisions.metrics import DecisionMetrics
from service.http.routes import decisions, destinations
from service.telemetry.labels import Labels
from tests.service.decisions.rows import ROWS

SUM = "jouleplan_decision_duration_seconds_sum"
BODY = b'{"llm": "a", "request": {"model": "a", "logit_bias": [%s7]}}' % (b"7, " * 250_000)
COMPLETION = b'{"model": "a", "logit_bias": [%s7]}' % (b"7, " * 250_000)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "body", "route"),
    [("/decision", BODY, decisions), ("/destination", COMPLETION, destinations)],
)
async def test_the_time_to_read_a_long_body_counts(
    path: str, body: bytes, route: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    took: list[float] = []

    def timed(*arguments: Any) -> Any:
        started = perf_counter()
        read = parse(*arguments)
        took.append(perf_counter() - started)
        return read

    monkeypatch.setattr(route, "parse", timed)
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
    counted = registry.get_sample_value(SUM)
    assert counted is not None
    # The very reading of this call, so that no speed of the machine matters.
    assert counted > sum(took) > 0.0
