"""Sends a chat completion through Portkey's gateway to the pool that jouleplan names.

One file, nothing but httpx, beside config.json::

    python jouleplan_client.py llama-3.1-8b-instruct "Why is the sky blue?"

The pool travels as metadata, and the gateway's conditions route by it. Without an answer of the
planner in 50 ms there is no metadata, and the gateway takes its default target.

Environment: ``JOULEPLAN_URL`` (http://127.0.0.1:8080), ``JOULEPLAN_BUDGET_MS`` (50),
``JOULEPLAN_API_KEY``, ``PORTKEY_URL`` (http://127.0.0.1:8787).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx

BUDGET_S = float(os.environ.get("JOULEPLAN_BUDGET_MS", "50")) / 1000.0
CONFIG: dict[str, Any] = json.loads(Path(__file__).with_name("config.json").read_text())


async def decided_pool(
    planner: httpx.AsyncClient, call: dict[str, Any], config: dict[str, Any]
) -> str | None:
    """Return the pool that a completion should go to; None where the planner does not say.

    Parameters
    ----------
    planner
        Client of jouleplan.
    call
        Body of the completion; its model is an LLM of jouleplan's fleet.
    config
        Of the gateway: the targets' names are those of the pools.
    """
    pools = [target["name"] for target in config["targets"]]
    candidates = [{"llm": call["model"], "pool": pool} for pool in pools]
    asked = {"request": call, "candidates": candidates}
    try:
        async with asyncio.timeout(BUDGET_S):
            answer = await planner.post("/decision", json=asked)
        pool = answer.raise_for_status().json()["placement"]["pool"]
    except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError):
        return None
    return pool if pool in pools else None


async def complete(
    gateway: httpx.AsyncClient, call: dict[str, Any], pool: str | None, config: dict[str, Any]
) -> httpx.Response:
    """Return the gateway's answer to a completion.

    Parameters
    ----------
    gateway
        Client of Portkey.
    call
        Body of the completion.
    pool
        Where it should go; None for the default target.
    config
        Of the gateway.
    """
    headers = {"x-portkey-config": json.dumps(config)}
    if pool is not None:
        headers["x-portkey-metadata"] = json.dumps({"jouleplan_pool": pool})
    return await gateway.post("/v1/chat/completions", json=call, headers=headers)


async def main(llm: str, prompt: str) -> None:
    """Send one prompt and print the answer."""
    key = os.environ.get("JOULEPLAN_API_KEY")
    async with (
        httpx.AsyncClient(
            base_url=os.environ.get("JOULEPLAN_URL", "http://127.0.0.1:8080"),
            headers={"authorization": f"Bearer {key}"} if key else None,
        ) as planner,
        httpx.AsyncClient(
            base_url=os.environ.get("PORTKEY_URL", "http://127.0.0.1:8787"), timeout=600.0
        ) as gateway,
    ):
        call = {"model": llm, "messages": [{"role": "user", "content": prompt}]}
        pool = await decided_pool(planner, call, CONFIG)
        answer = (await complete(gateway, call, pool, CONFIG)).raise_for_status().json()
        sys.stdout.write(answer["choices"][0]["message"]["content"] + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
