"""Lets jouleplan choose the deployment of each request of a LiteLLM proxy.

One file, nothing but httpx. Put it beside the proxy's configuration and name it there::

    litellm_settings:
      callbacks: jouleplan_hook.router

A deployment takes part when its ``model_info`` names the pool that it is::

    model_list:
      - model_name: chat
        litellm_params: {model: openai/llama-3.1-8b-instruct, api_base: "http://h100:8000/v1"}
        model_info: {jouleplan_llm: llama-3.1-8b-instruct, jouleplan_pool: h100}

Whatever happens to the planner, requests go on: without an answer within the budget the list of
deployments is left as it is, and after some failures in a row the planner is not asked for a while.

Environment: ``JOULEPLAN_URL`` (http://127.0.0.1:8080), ``JOULEPLAN_BUDGET_MS`` (50),
``JOULEPLAN_API_KEY``.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import httpx
from litellm.integrations.custom_logger import CustomLogger

FAILURES = 3
"""In a row, after which the planner is left alone ..."""
PAUSE_S = 5.0
"""... for so long."""
KEPT = ("model", "messages", "prompt", "max_tokens", "max_completion_tokens")
DECISION = "jouleplan_decision"


class Breaker:
    """Remembers failures in a row."""

    def __init__(self) -> None:
        self._failures = 0
        self._closed_from = 0.0

    @property
    def open(self) -> bool:
        """Whether the planner is left alone now."""
        return time.monotonic() < self._closed_from

    def succeed(self) -> None:
        """Forget the failures."""
        self._failures = 0

    def fail(self) -> None:
        """Count a failure; open when there were enough, and with the first one after a pause."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._closed_from = time.monotonic() + PAUSE_S


class JouleplanRouter(CustomLogger):
    """Asks for a decision before a request is sent, and tells what came of it."""

    def __init__(self) -> None:
        super().__init__()
        self._url = os.environ.get("JOULEPLAN_URL", "http://127.0.0.1:8080")
        self._budget_s = float(os.environ.get("JOULEPLAN_BUDGET_MS", "50")) / 1e3
        key = os.environ.get("JOULEPLAN_API_KEY")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._breaker = Breaker()
        self._client: httpx.AsyncClient | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def async_filter_deployments(
        self,
        model: str,
        healthy_deployments: list[Any],
        messages: list[Any] | None,
        request_kwargs: dict[str, Any] | None = None,
        parent_otel_span: Any | None = None,
    ) -> list[Any]:
        """Return the chosen deployment alone, or the list as it is."""
        named = {
            deployment["model_info"]["id"]: deployment
            for deployment in healthy_deployments
            if "jouleplan_llm" in (deployment.get("model_info") or {})
        }
        if len(named) < 2 or self._breaker.open:
            return healthy_deployments
        kwargs = request_kwargs or {}
        asked = {name: kwargs[name] for name in KEPT if kwargs.get(name) is not None}
        body = {
            "request": asked | ({"messages": messages} if messages else {}),
            "route": model,
            "candidates": [_candidate(name, one["model_info"]) for name, one in named.items()],
        }
        try:
            async with asyncio.timeout(self._budget_s):
                answer = await self._post("/decision", body)
            decision = answer.json()
            chosen = named[decision["placement"]["name"]]
        except Exception:
            self._breaker.fail()
            return healthy_deployments
        self._breaker.succeed()
        kwargs.setdefault("metadata", {})[DECISION] = {
            "decision_id": decision["decision_id"],
            "llm": decision["placement"]["llm"],
            "pool": decision["placement"]["pool"],
            "route": model,
        }
        return [chosen]

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Tell the planner what came of a decision, without waiting for it."""
        metadata = (kwargs.get("litellm_params") or {}).get("metadata") or {}
        decision = metadata.get(DECISION)
        usage = getattr(response_obj, "usage", None)
        if decision is None or usage is None or self._breaker.open:
            return
        actual = decision | {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "runtime_seconds": (end_time - start_time).total_seconds(),
        }
        task = asyncio.create_task(self._tell(actual))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, actual: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._post("/actuals", actual)
        except Exception:
            self._breaker.fail()

    async def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        if self._client is None:
            self._client = httpx.AsyncClient(base_url=self._url, headers=self._headers)
        answer = await self._client.post(path, json=body)
        return answer.raise_for_status()


def _candidate(name: str, info: dict[str, Any]) -> dict[str, Any]:
    pool = {"pool": info["jouleplan_pool"]} if info.get("jouleplan_pool") else {}
    return {"name": name, "llm": info["jouleplan_llm"]} | pool


router = JouleplanRouter()
