"""What the hook sends of requests, and of what came of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from benchmarks.gateways.broken_planners import BrokenPlanner
from tests.integration.litellm_hook.scenes import (
    DEPLOYMENTS,
    HELLO,
    planner,
    port_of,
    routed,
    run,
)


def test_long_prompts_and_images_are_sent_as_numbers_of_tokens(
    hook: ModuleType, bodies: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook.router, "_budget_s", 10.0)
    image = {"type": "image_url", "image_url": {"url": "data:" + 100_000 * "x"}}
    seen = [{"role": "user", "content": [{"type": "text", "text": 8 * "x"}, image]}]
    long = [{"role": "user", "content": 400_000 * "x"}]

    async def ask() -> None:
        for messages in (HELLO, long, seen):
            assert await routed(hook, messages) == ["h100"]

    with BrokenPlanner(port_of(hook), planner(bodies, "h100")) as broken:
        run(hook, ask())
        assert broken.connections == 1
    short, *others = (body for _, body in bodies)
    assert short["request"] == {"max_tokens": 8, "messages": HELLO}
    assert "input_tokens" not in short
    assert [one["input_tokens"] for one in others] == [100_000, 2]
    assert all(one["request"] == {"max_tokens": 8} for one in others)


def test_actuals_are_sent_together_and_only_of_own_decisions(
    hook: ModuleType, bodies: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook.router, "_budget_s", 10.0)
    begun = datetime(2026, 1, 1)
    usage = SimpleNamespace(prompt_tokens=12, completion_tokens=7)

    def ended(call: str, pool: str, **more: Any) -> dict[str, Any]:
        forged = {"jouleplan_decision": {"decision_id": "forged"}}
        params = {"model_info": {"id": pool}, "metadata": forged}
        return {"litellm_call_id": call, "litellm_params": params, **more}

    async def scene() -> None:
        for call in ("run", "failed", "cached", "elsewhere"):
            await routed(hook, litellm_call_id=call)
        answer, end = SimpleNamespace(usage=usage), begun + timedelta(seconds=3)
        report = hook.router.async_log_success_event
        await report(ended("run", "h100", api_call_start_time=begun), answer, begun, end)
        await report(ended("cached", "h100", cache_hit=True), answer, begun, end)
        await report(ended("elsewhere", "a100"), answer, begun, end)
        await report(ended("nobody's", "h100"), answer, begun, end)
        await report(ended("run", "h100"), answer, begun, end)
        await hook.router.async_log_failure_event(ended("failed", "h100"), None, begun, end)
        await hook.router._sending

    with BrokenPlanner(port_of(hook), planner(bodies, "h100")):
        run(hook, scene())
    sent = [body["actuals"] for path, body in bodies if path == "/actuals"]
    decision = {"decision_id": "7", "llm": "qwen3-8b", "pool": "h100", "route": "chat"}
    measured = {"input_tokens": 12, "output_tokens": 7, "runtime_seconds": 3.0}
    measured["ended_at"] = (begun + timedelta(seconds=3)).timestamp()
    assert sent == [[decision | measured, decision, decision]]


@pytest.mark.parametrize("kwargs", [None, {}, {"prompt": 7}, {"metadata": "text"}])
@pytest.mark.parametrize("messages", [None, [], "text", [None], [[1, 2]], [{"content": {1, 2}}]])
def test_odd_requests_go_on(hook: ModuleType, messages: Any, kwargs: Any) -> None:
    going = hook.router.async_filter_deployments("chat", DEPLOYMENTS, messages, kwargs)
    assert run(hook, going) == DEPLOYMENTS
    odd: list[Any] = [{}, {"model_info": None}, *DEPLOYMENTS]
    going = hook.router.async_filter_deployments("chat", odd, messages, kwargs)
    assert run(hook, going) == odd


def test_all_text_of_a_prompt_is_sent_or_counted(
    hook: ModuleType, bodies: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook.router, "_budget_s", 10.0)
    large = [{"type": "function", "function": {"name": "f", "description": 750_000 * "d"}}]
    small = [{"type": "function", "function": {"name": "f"}}]

    async def ask() -> None:
        await routed(hook, tools=small, n=3)
        await routed(hook, tools=large, n=3)
        # LiteLLM makes messages up for completions: each piece counts once.
        await routed(hook, prompt=400_000 * "x")
        # Each prompt of a list is a request of its own, and terms go as they came.
        await routed(hook, prompt=["a", "b"], n="5", best_of=2.0, echo=True)
        await routed(hook, prompt=[400_000 * "x", [1, 2]], suffix="s", n=2)

    with BrokenPlanner(port_of(hook), planner(bodies, "h100")):
        run(hook, ask())
    short, long, completion, listed, counted = (
        body for path, body in bodies if path == "/decision"
    )
    assert short["request"] == {"max_tokens": 8, "n": 3, "messages": HELLO, "tools": small}
    assert long["input_tokens"] > 187_500
    assert long["request"] == {"max_tokens": 8, "n": 3}
    assert completion["input_tokens"] == 100_000
    stated = {"max_tokens": 8, "n": "5", "best_of": 2.0, "echo": True}
    assert listed["request"] == stated | {"prompt": ["a", "b"]}
    assert counted["input_tokens"] == [100_001, 3]
    assert counted["request"] == {"max_tokens": 8, "n": 2}
