"""Actuals as a caller reports them, and what a server says that it holds of them."""

from __future__ import annotations

from typing import Any

import httpx

from tests.service.server import Server

ACTUAL = {"llm": "qwen3-8b", "pool": "small", "input_tokens": 200, "output_tokens": 100}


def actuals_body(*names: str, **more: Any) -> dict[str, Any]:
    actual = {**ACTUAL, "concurrency": 8}
    measured = {"runtime_seconds": 1.0, "energy_joules": 100.0}
    return {"actuals": [{"id": name, **actual, **measured, **more} for name in names]}


def report(server: Server, *names: str) -> httpx.Response:
    return server.post("/actuals", actuals_body(*names))


def send_actuals(server: Server, *actuals: dict[str, Any]) -> dict[str, Any]:
    """Report actuals as they are, and return what was accepted of them."""
    answer = server.post("/actuals", {"actuals": list(actuals)})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def place_of(made: dict[str, Any]) -> dict[str, str]:
    """Return where a decision sent its request, as its actual names it."""
    return {name: made["placement"][name] for name in ("llm", "pool")}


def actual_of(made: dict[str, Any], ratio: float, **more: Any) -> dict[str, Any]:
    """Return the actual of a decision, of `ratio` times the joules that it predicted."""
    placement = made["placement"]
    return {
        "decision_id": made["decision_id"],
        **place_of(made),
        "input_tokens": 200,
        "output_tokens": 100,
        "runtime_seconds": placement["runtime_seconds"]["value"],
        "energy_joules": ratio * placement["energy_joules"]["value"],
    } | more


def observations(server: Server) -> int:
    ratios = server.client.get("/actuals").json()["ratios"]
    return int(ratios[0]["observations"]) if ratios else 0


def states(server: Server) -> dict[str, str]:
    return dict(server.client.get("/readyz").json()["stores"])
