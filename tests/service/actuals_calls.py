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


def observations(server: Server) -> int:
    ratios = server.client.get("/actuals").json()["ratios"]
    return int(ratios[0]["observations"]) if ratios else 0


def states(server: Server) -> dict[str, str]:
    return dict(server.client.get("/readyz").json()["stores"])
