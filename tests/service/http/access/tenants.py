"""Tenants: whoever has a key, and what they ask of a server."""

from __future__ import annotations

from typing import Any

import httpx

from tests.service.batch_file_calls import batch_file
from tests.service.bodies import a100_fleet, rows
from tests.service.http.access.keys import Keys, bearer
from tests.service.server import Server
from tests.waiting import wait_until

BODY = {"requests": rows(), "fleet": a100_fleet()}
ASYNC = {"Prefer": "respond-async"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Tenant:
    """Somebody with a key."""

    def __init__(self, server: Server, key: str) -> None:
        self._client, self._key = server.client, key

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        given = bearer(self._key) | headers
        return self._client.request(method, path, json=body, headers=given)

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)

    def delete(self, path: str) -> httpx.Response:
        return self.ask("DELETE", path)

    def report(self, **actual: Any) -> httpx.Response:
        row = {"llm": "llama-2-7b-chat", "pool": "p", "runtime_seconds": 2.0} | actual
        return self.ask("POST", "/actuals", {"actuals": [row]})

    def batch(self) -> httpx.Response:
        headers = bearer(self._key) | {"Content-Type": "application/jsonl"}
        return self._client.post("/plan", content=batch_file(), headers=headers)

    def plan(self, body: Any = BODY, **headers: str) -> httpx.Response:
        return self.ask("POST", "/plan", body, **headers)

    def start(self, body: Any = BODY) -> str:
        accepted = self.plan(body, **ASYNC)
        assert accepted.status_code == 202, accepted.text
        return str(accepted.json()["plan_id"])

    def state(self, plan_id: str) -> str:
        return str(self.get(f"/plans/{plan_id}").json()["status"])

    def finish(self, plan_id: str) -> None:
        wait_until(lambda: self.state(plan_id) == "finished")

    def listed(self) -> set[str]:
        return {one["plan_id"] for one in self.get("/plans?limit=100").json()["plans"]}


def tenant(server: Server, keys: Keys, name: str) -> Tenant:
    return Tenant(server, keys.texts[name])
