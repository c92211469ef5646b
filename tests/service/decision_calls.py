"""Single decisions as a gateway asks for them, and how it ends them."""

from __future__ import annotations

from typing import Any

from tests.service.actuals_calls import place_of, send_actuals
from tests.service.server import Server

TOKENS = {"input_tokens": 200, "output_tokens": 100}


def decide(server: Server, **body: Any) -> dict[str, Any]:
    answer = server.post("/decision", TOKENS | body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def end(server: Server, *made: dict[str, Any]) -> None:
    """Report that requests ended, and nothing else of them."""
    send_actuals(server, *({"decision_id": one["decision_id"], **place_of(one)} for one in made))
