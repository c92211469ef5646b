"""Asynchronous plans as a caller starts and awaits them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from tests.service.bodies import a100_fleet, rows
from tests.service.server import Server
from tests.waiting import PATIENCE_S

ASYNC = {"Prefer": "respond-async"}
BODY = {"requests": rows(20), "fleet": a100_fleet()}
IMPOSSIBLE = {**BODY, "constraints": {"deadline_seconds": 0.001}}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def start(server: Server, body: Any, prefix: str = "") -> str:
    """Return the path of a plan that was accepted."""
    response = server.client.post(f"{prefix}/plan", json=body, headers=ASYNC)
    assert response.status_code == 202, response.text
    return str(response.headers["location"])


def wait_for(server: Server, path: str, *states: str) -> dict[str, Any]:
    """Return the state of a plan once it is one of `states`."""
    end = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < end:
        state: dict[str, Any] = server.client.get(path).json()
        if state["status"] in states:
            return state
        time.sleep(0.02)
    raise TimeoutError(state)


def slug(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/problem+json"
    return str(response.json()["type"]).rpartition(":")[2]


@dataclass
class ReceivedEvent:
    """One event, or a comment."""

    number: int | None
    name: str
    state: dict[str, Any]


def events(response: httpx.Response) -> Iterator[ReceivedEvent]:
    """Parse a stream as the HTML standard says."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if not line:
            if "data" in fields:
                yield ReceivedEvent(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}
        elif line.startswith(":"):
            yield ReceivedEvent(None, "comment", {})
        else:
            key, _, value = line.partition(":")
            fields[key] = value.removeprefix(" ")
