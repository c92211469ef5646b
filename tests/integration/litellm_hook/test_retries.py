"""Where a request goes that has failed elsewhere."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from benchmarks.gateways.broken_planners import BrokenPlanner
from tests.integration.litellm_hook.scenes import (
    after,
    deployments,
    planner,
    port_of,
    routed,
    run,
)


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
        await hook.router._sending

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
        await hook.router._sending

    with BrokenPlanner(port_of(hook), planner(bodies, "h100")):
        run(hook, scene())
    assert [path for path, _ in bodies] == ["/decision", "/actuals"]
