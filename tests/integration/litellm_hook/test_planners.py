"""What the hook does where the planner fails, refuses, is crowded or left."""

from __future__ import annotations

import asyncio
import json
from types import ModuleType
from typing import Any

import pytest

from benchmarks.gateways.broken_planners import GARBAGE, BrokenPlanner, Manner, Reader, Writer, hung
from tests.integration.litellm_hook.scenes import (
    DEPLOYMENTS,
    planner,
    port_of,
    routed,
    run,
)


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
    monkeypatch.setattr(router, "_report", router._unsent.append)
    for number in range(hook.MAX_OPEN + 5):
        router._remember({"litellm_call_id": str(number)}, {}, DEPLOYMENTS[:1])
        router._report({})
    assert len(router._open) == len(router._unsent) == hook.MAX_OPEN


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
                response = f"HTTP/1.1 {status}\r\ncontent-length: {len(text)}\r\n\r\n{text}"
                writer.write(response.encode())

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
