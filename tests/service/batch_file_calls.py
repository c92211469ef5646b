"""Calls with a batch file, and the shards that come of them."""

import json
from typing import Any

import httpx

from service.calls.schemas.answers import PlanAnswer
from tests.service.answers import checked
from tests.service.plan_files import batch_line
from tests.service.server import Server

JSONL = {"content-type": "application/jsonl"}


NAMES = {
    "llama-3.1-8b-instruct": "meta-llama/Llama-3.1-8B-Instruct",
    "qwen3-30b-a3b-instruct-2507": "Qwen/Qwen3-30B-A3B-Instruct-2507",
}
LLAMA, QWEN = NAMES


def text_line(index: int, model: str | None, max_tokens: int = 50) -> str:
    line = json.loads(batch_line(index, max_tokens=max_tokens))
    line["body"]["model"] = model
    return json.dumps(line)


def batch_file(count: int = 12) -> str:
    """Return lines for both LLMs in turn, longer and longer."""
    names = list(NAMES.values())
    return "\n".join(text_line(i, names[i % 2], 20 + 7 * i) for i in range(count))


def post(server: Server, body: str | bytes, path: str = "/plan", **headers: str) -> httpx.Response:
    return server.client.post(path, content=body, headers={**JSONL, **headers})


def planned(server: Server, body: str | bytes, path: str = "/plan") -> dict[str, Any]:
    response = post(server, body, path)
    assert response.status_code == 200, response.text
    checked(response.json(), PlanAnswer)
    return dict(response.json())


def contents(server: Server, answer: dict[str, Any]) -> list[bytes]:
    return [server.client.get(shard["url"]).content for shard in answer["shards"]]
