"""Scenes of requests that the hook routes, and planners that answer as they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from types import ModuleType
from typing import Any, TypeVar

from benchmarks.gateways.broken_planners import Manner, Reader, Writer

Result = TypeVar("Result")
DEPLOYMENTS = [
    {"model_info": {"id": pool, "jouleplan_llm": "qwen3-8b", "jouleplan_pool": pool}}
    for pool in ("a100", "h100")
]
HELLO = [{"role": "user", "content": "hello"}]


def port_of(hook: ModuleType) -> int:
    return int(hook.router._planner._port)


async def routed(
    hook: ModuleType, messages: Any = HELLO, healthy: Any = DEPLOYMENTS, **kwargs: Any
) -> list[str]:
    asked = {"litellm_call_id": "call", "max_tokens": 8, **kwargs}
    left = await hook.router.async_filter_deployments("chat", healthy, messages, asked)
    return [one["model_info"]["id"] for one in left]


def run(hook: ModuleType, scene: Coroutine[Any, Any, Result]) -> Result:
    """Run a scene, and let go of its connections in its loop."""

    async def and_close() -> Result:
        result = await scene
        for connection in hook.router._planner._idle:
            connection.close()
        await asyncio.sleep(0.05)
        return result

    return asyncio.run(and_close())


def planner(bodies: list[tuple[str, Any]], choice: str) -> Manner:
    """Return the manner of one who chooses a pool, and notes what it is sent."""

    async def answer(reader: Reader, writer: Writer) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            length = int(head.lower().partition("content-length:")[2].split()[0])
            path = head.split()[1]
            body = json.loads(await reader.readexactly(length))
            bodies.append((path, body))
            names = {one.get("pool"): one["name"] for one in body.get("candidates", [])}
            placement = {"llm": "qwen3-8b", "pool": choice, "name": names.get(choice)}
            text = json.dumps({"decision_id": "7", "placement": placement})
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode())

    return answer


def after(*deployments: str) -> dict[str, Any]:
    """Return what LiteLLM says of a request that has failed on these."""
    return {"metadata": {"previous_models": tuple({"deployment_id": one} for one in deployments)}}


def deployments(*names: str, **more: str) -> list[dict[str, Any]]:
    """Return deployments whose names begin with that of their pool."""
    llm = {"jouleplan_llm": "qwen3-8b"}
    return [
        {"model_info": {"id": one, "jouleplan_pool": one.rstrip("0123456789"), **llm, **more}}
        for one in names
    ]
