"""A decision and a batch line of the same body."""

from __future__ import annotations

import json
from typing import Any

import orjson

from service.calls.request_body import check_body
from service.calls.schemas.decisions import DecisionBody
from service.calls.validation import parse
from service.decisions.decision_service import DecisionRecord, DecisionService
from service.http.routes.decisions import answer_of
from tests.service.decisions.rows import ROWS


def decided(body: bytes) -> DecisionRecord:
    decisions = DecisionService()
    decisions.load(ROWS)
    read = parse(body, DecisionBody)
    check_body(read.request or {}, "request")
    made = decisions.decide(read)
    assert orjson.loads(orjson.dumps(answer_of(made)))["tokens"]["prompts"] >= 1
    return made


def line_of(body: dict[str, Any]) -> bytes:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": body}
    return json.dumps(line).encode()
