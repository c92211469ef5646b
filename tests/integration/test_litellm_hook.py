"""The hook of LiteLLM's proxy by itself, with a stand-in for the class that it derives from."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

import pytest

from benchmarks.gateways.broken_planners import GARBAGE, BrokenPlanner, Manner, Reader, Writer, hung
from examples.local_service import free_port

Result = TypeVar("Result")
HOOK = Path(__file__).parents[2] / "deploy" / "litellm" / "jouleplan_hook.py"
DEPLOYMENTS = [
    {"model_info": {"id": pool, "jouleplan_llm": "qwen3-8b", "jouleplan_pool": pool}}
    for pool in ("a100", "h100")
]
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    names = ("litellm", "litellm.integrations", "litellm.integrations.custom_logger")
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    base = type("CustomLogger", (), {})
    monkeypatch.setattr(sys.modules[names[-1]], "CustomLogger", base, raising=False)
    monkeypatch.delenv("JOULEPLAN_API_KEY", raising=False)
    monkeypatch.setenv("JOULEPLAN_URL", f"http://127.0.0.1:{free_port()}")
    spec = importlib.util.spec_from_file_location("jouleplan_hook", HOOK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


@pytest.fixture
def bodies() -> list[tuple[str, Any]]:
    return []


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


def test_what_came_of_requests_is_told_together_and_only_of_own_decisions(
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
        tell = hook.router.async_log_success_event
        await tell(ended("run", "h100", api_call_start_time=begun), answer, begun, end)
        await tell(ended("cached", "h100", cache_hit=True), answer, begun, end)
        await tell(ended("elsewhere", "a100"), answer, begun, end)
        await tell(ended("nobody's", "h100"), answer, begun, end)
        await tell(ended("run", "h100"), answer, begun, end)
        await hook.router.async_log_failure_event(ended("failed", "h100"), None, begun, end)
        await hook.router._telling

    with BrokenPlanner(port_of(hook), planner(bodies, "h100")):
        run(hook, scene())
    told = [body["actuals"] for path, body in bodies if path == "/actuals"]
    decision = {"decision_id": "7", "llm": "qwen3-8b", "pool": "h100", "route": "chat"}
    measured = {"input_tokens": 12, "output_tokens": 7, "runtime_seconds": 3.0}
    measured["ended_at"] = (begun + timedelta(seconds=3)).timestamp()
    assert told == [[decision | measured, decision, decision]]


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


def test_a_retry_is_not_sent_to_another_deployment_of_the_pool_that_has_failed(
    hook: ModuleType, bodies: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook.router, "_budget_s", 10.0)
    every = deployments("a1", "a2", "b1", "b2", "c1")
    # LiteLLM lets one that has failed cool down: it is in the list no more.
    cooling = every[1:]

    async def scene() -> None:
        assert await routed(hook, healthy=every) == ["a1", "a2"]
        with_choice = await routed(hook, healthy=cooling, **after("a1"))
        # The planner insists on what was no candidate, so nothing is decided.
        assert with_choice == ["b1", "b2", "c1"]
        assert await routed(hook, healthy=every, **after("a1", "b2")) == ["c1"]
        everywhere = await routed(hook, healthy=cooling, **after("a1", "b2", "c1"))
        assert everywhere == ["a2"]
        tried = after("a1", "a2", "b1", "b2", "c1")
        assert len(await routed(hook, healthy=every, **tried)) == 5

    with BrokenPlanner(port_of(hook), planner(bodies, "a")):
        run(hook, scene())
    asked = [body["candidates"] for path, body in bodies if path == "/decision"]
    pools = [[one["pool"] for one in candidates] for candidates in asked]
    assert pools[:2] == [["a", "b", "c"], ["b", "c"]]


def test_a_retry_leaves_a_pool_whatever_the_llm_and_may_go_where_nobody_takes_part(
    hook: ModuleType,
) -> None:
    every = [
        *deployments("a1"),
        *deployments("a2", jouleplan_llm="llama-3.1-8b-instruct"),
        {"model_info": {"id": "other"}},
    ]

    async def scene() -> None:
        assert await routed(hook, healthy=every, **after("a1")) == ["other"]
        assert await routed(hook, healthy=every, **after("other")) == ["a1", "a2"]

    run(hook, scene())


def test_the_pools_that_are_remembered_are_bounded(
    hook: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "MAX_DEPLOYMENTS", 3)

    async def scene() -> None:
        await routed(hook, healthy=deployments("a1", "a2", "b1", "b2"))
        await routed(hook, healthy=deployments("a1"))

    run(hook, scene())
    assert list(hook.router._pools) == ["b1", "b2", "a1"]


def test_a_retry_is_not_sent_where_the_request_has_failed(
    hook: ModuleType, bodies: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook.router, "_budget_s", 10.0)

    async def scene() -> None:
        assert await routed(hook) == ["h100"]
        assert await routed(hook, **after("h100")) == ["a100"]
        assert await routed(hook, **after("h100", "a100")) == ["a100", "h100"]
        await hook.router._telling

    with BrokenPlanner(port_of(hook), planner(bodies, "h100")):
        run(hook, scene())
    assert [path for path, _ in bodies] == ["/decision", "/actuals"]


def test_a_request_that_failed_for_good_ends_its_load(
    hook: ModuleType, bodies: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook.router, "_budget_s", 10.0)

    async def scene() -> None:
        assert await routed(hook) == ["h100"]
        failed = {"litellm_call_id": "call"}
        await hook.router.async_post_call_failure_hook(failed, ValueError(), user_api_key_dict=None)
        await hook.router._telling

    with BrokenPlanner(port_of(hook), planner(bodies, "h100")):
        run(hook, scene())
    assert [path for path, _ in bodies] == ["/decision", "/actuals"]


@pytest.mark.parametrize("manner", [hung, *GARBAGE.values()], ids=["hung", *GARBAGE])
def test_the_planner_is_left_alone_after_failures_and_then_asked_by_one(
    hook: ModuleType, manner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(broken: BrokenPlanner) -> None:
        for _ in range(20):
            assert await routed(hook) == ["a100", "h100"]
        assert broken.connections == hook.FAILURES
        monkeypatch.setattr(hook.router._breaker, "_open_until", 0.0)
        together = await asyncio.gather(*(routed(hook) for _ in range(20)))
        assert together == [["a100", "h100"]] * 20
        assert broken.connections == hook.FAILURES + 1

    with BrokenPlanner(port_of(hook), manner) as broken:
        run(hook, scene(broken))


def test_a_caller_that_leaves_while_asking_lets_the_next_one_ask(
    hook: ModuleType, bodies: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook.router, "_budget_s", 10.0)
    monkeypatch.setattr(hook.router._breaker, "_open_until", 0.0)

    async def leave() -> None:
        asking = asyncio.ensure_future(routed(hook))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    with BrokenPlanner(port_of(hook), hung):
        run(hook, leave())
    with BrokenPlanner(port_of(hook), planner(bodies, "h100")):
        assert run(hook, routed(hook)) == ["h100"]


def test_calls_decisions_and_actuals_that_wait_are_bounded(
    hook: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "FAILURES", 1_000_000)

    async def scene() -> None:
        many = 10 * hook.MAX_CONNECTIONS
        assert (
            await asyncio.gather(*(routed(hook) for _ in range(many))) == [["a100", "h100"]] * many
        )

    with BrokenPlanner(port_of(hook), hung) as broken:
        run(hook, scene())
        assert broken.connections <= hook.MAX_CONNECTIONS
    router = hook.router
    monkeypatch.setattr(router, "_tell", router._untold.append)
    for number in range(hook.MAX_OPEN + 5):
        router._remember({"litellm_call_id": str(number)}, {}, DEPLOYMENTS[:1])
        router._tell({})
    assert len(router._open) == len(router._untold) == hook.MAX_OPEN


@pytest.mark.parametrize("kwargs", [None, {}, {"prompt": 7}, {"metadata": "text"}])
@pytest.mark.parametrize("messages", [None, [], "text", [None], [[1, 2]], [{"content": {1, 2}}]])
def test_odd_requests_go_on(hook: ModuleType, messages: Any, kwargs: Any) -> None:
    going = hook.router.async_filter_deployments("chat", DEPLOYMENTS, messages, kwargs)
    assert run(hook, going) == DEPLOYMENTS
    odd: list[Any] = [{}, {"model_info": None}, *DEPLOYMENTS]
    going = hook.router.async_filter_deployments("chat", odd, messages, kwargs)
    assert run(hook, going) == odd


def test_what_the_planner_does_not_know_is_said_once_as_a_warning(
    hook: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hook.router, "_budget_s", 10.0)
    unknown = "Expected a candidate that the fleet has (qwen3-8b on h100), got openai/* on a100."
    placement = {"llm": "qwen3-8b", "pool": "h100", "name": "qwen3-8b h100"}
    warning = {"code": "unknown_candidates", "message": unknown}
    decided = {"decision_id": "7", "placement": placement, "warnings": [warning]}
    refused = {"detail": "Expected a candidate whose context and quality suffice, got none."}
    every = [*DEPLOYMENTS, {"model_info": {"id": "w"}, "litellm_params": {"model": "openai/*"}}]

    def answering(status: str, body: dict[str, Any]) -> Manner:
        async def answer(reader: Reader, writer: Writer) -> None:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                length = int(head.lower().partition("content-length:")[2].split()[0])
                await reader.readexactly(length)
                text = json.dumps(body)
                told = f"HTTP/1.1 {status}\r\ncontent-length: {len(text)}\r\n\r\n{text}"
                writer.write(told.encode())

        return answer

    async def thrice(left: list[str]) -> None:
        for _ in range(3):
            assert await routed(hook, healthy=every) == left

    with caplog.at_level("DEBUG", logger="jouleplan"):
        with BrokenPlanner(port_of(hook), answering("200 OK", decided)):
            run(hook, thrice(["h100"]))
        with BrokenPlanner(port_of(hook), answering("422 Unprocessable Content", refused)):
            run(hook, thrice(["a100", "h100", "w"]))
    said = [one.getMessage() for one in caplog.records if one.name == "jouleplan"]
    assert sum(unknown in text for text in said) == 1
    assert sum(refused["detail"] in text for text in said) == 1
    assert sum("openai/* takes no part" in text for text in said) == 1
    assert {one.levelname for one in caplog.records if one.name == "jouleplan"} == {"WARNING"}


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
