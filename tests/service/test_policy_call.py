"""`/policy` on a real server: put by hand, expired, replaced by a plan, deleted, refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.calls.schemas.decisions import DecisionBody
from service.database.database_file import IN_MEMORY
from service.decisions.actuals.store import ActualsStore
from service.decisions.decision_service import DecisionService
from service.decisions.keeper import PolicyKeeper
from service.http.refusals import add_refusals
from service.http.routes import policy
from service.problems import ProblemError
from tests.service.decision_fleet import save_two_pools
from tests.service.decisions.rows import ROWS, decision_service
from tests.service.server import Server
from tests.waiting import wait_until

TOKENS = {"llm": "qwen3-8b", "input_tokens": 200, "output_tokens": 100}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def server(two_pools_server: Server) -> Server:
    return two_pools_server


def put(server: Server, **body: Any) -> dict[str, Any]:
    answer = server.client.put("/policy", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def in_force(server: Server) -> dict[str, Any]:
    return dict(server.client.get("/policy").json())


def decide(server: Server) -> dict[str, Any]:
    answer = server.post("/decision", TOKENS)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture(autouse=True)
def _nothing_before_and_after(server: Server) -> Iterator[None]:
    assert server.client.delete("/policy").json()["source"] == "fallback"
    yield
    server.client.delete("/policy").raise_for_status()


def test_without_a_policy_the_fallback_is_reported(server: Server) -> None:
    assert in_force(server) == {
        "source": "fallback",
        "plan_id": None,
        "age_seconds": None,
        "expires_in_seconds": None,
        "joules_per_device_second": {},
        "joules_per_quality_token": 0.0,
        "min_mean_quality": None,
        "quality_price_in_force": 0.0,
    }


def test_weights_are_in_force_at_once_and_until_they_are_deleted(server: Server) -> None:
    policy = put(server, joules_per_device_second={"small": 1e6}, joules_per_quality_token=2.0)
    assert policy["source"] == "weights"
    assert policy["joules_per_device_second"] == {"small": 1e6}
    assert policy["quality_price_in_force"] == 2.0
    assert policy["expires_in_seconds"] is None
    made = decide(server)
    assert (made["policy"]["source"], made["placement"]["pool"]) == ("weights", "large")
    assert in_force(server)["age_seconds"] >= 0
    assert server.client.delete("/v1/policy").json()["source"] == "fallback"
    assert decide(server)["policy"]["source"] == "fallback"


def test_weights_that_expire_give_way_to_the_fallback(server: Server) -> None:
    policy = put(server, joules_per_device_second={"small": 1e6}, expires_in_seconds=0.2)
    assert 0 < policy["expires_in_seconds"] <= 0.2
    wait_until(lambda: in_force(server)["source"] == "fallback")
    assert decide(server)["policy"]["source"] == "fallback"
    assert "jouleplan_policy_expired 1.0" in server.client.get("/metrics").text


def test_a_published_plan_replaces_weights(server: Server) -> None:
    put(server, joules_per_device_second={"small": 5.0})
    columns = {"input_tokens": [200] * 50, "output_tokens": [100] * 50}
    plan = server.post("/plan", {"columns": columns, "publish": True}).json()
    policy = in_force(server)
    assert (policy["source"], policy["plan_id"]) == ("plan", plan["plan_id"])
    assert put(server)["source"] == "weights"


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ('{"joules_per_device_second": {"nowhere": 1}}', 422, "/joules_per_device_second/nowhere"),
        ('{"joules_per_device_second": {"small": -1}}', 422, "/joules_per_device_second/small"),
        ('{"joules_per_device_second": {"small": NaN}}', 422, "/joules_per_device_second/small"),
        ('{"joules_per_device_second": {"a/b": 1}}', 422, "/joules_per_device_second/a~1b"),
        ('{"joules_per_quality_token": -0.1}', 422, "/joules_per_quality_token"),
        ('{"joules_per_quality_token": Infinity}', 422, "/joules_per_quality_token"),
        ('{"min_mean_quality": 1.1}', 422, "/min_mean_quality"),
        ('{"min_mean_quality": NaN}', 422, "/min_mean_quality"),
        ('{"expires_in_seconds": 0}', 422, "/expires_in_seconds"),
        ('{"expires_in_seconds": NaN}', 422, "/expires_in_seconds"),
        ('{"source": "plan"}', 422, "/source"),
        ("[]", 422, ""),
        ("{", 400, ""),
    ],
)
def test_what_is_no_policy_is_refused_and_changes_nothing(
    server: Server, body: str, status: int, pointer: str
) -> None:
    put(server, joules_per_quality_token=3.0)
    answer = server.client.put("/policy", content=body, headers=JSON)
    assert answer.status_code == status, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert in_force(server)["joules_per_quality_token"] == 3.0


@pytest.mark.anyio
async def test_before_a_fleet_is_loaded_no_pool_is_called_unknown() -> None:
    decisions, app = DecisionService(), FastAPI()
    app.include_router(
        policy.router(decisions, PolicyKeeper(decisions, ActualsStore(IN_MEMORY, 1)))
    )
    add_refusals(app, ("",))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.put("/policy", json={"joules_per_device_second": {"small": 1.0}})
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:jouleplan:problem:not-ready"
        assert int(answer.headers["retry-after"]) > 0
        broken = await client.put("/policy", json={"joules_per_device_second": {"small": -1}})
        assert broken.status_code == 422
        assert (await client.put("/policy", json={"min_mean_quality": 0.5})).status_code == 200
    assert decisions.policy.joules_per_device_second == {}


def test_a_policy_survives_a_restart_and_its_end_does_too(tmp_path: Path) -> None:
    settings = {
        "JOULEPLAN_MODELS_DIR": str(save_two_pools(tmp_path)),
        "JOULEPLAN_ACTUALS_PATH": str(tmp_path / "actuals.sqlite3"),
    }
    with Server(settings) as first:
        first.wait_until_ready()
        before = put(first, joules_per_device_second={"small": 40.0}, expires_in_seconds=600)
    with Server(settings) as second:
        second.wait_until_ready()
        after = in_force(second)
        assert after["source"] == "weights"
        assert after["joules_per_device_second"] == {"small": 40.0}
        assert 0 < after["expires_in_seconds"] < before["expires_in_seconds"]
        assert second.client.delete("/policy").json()["source"] == "fallback"
    # A service that starts reads what is kept, and nothing is.
    with closing(sqlite3.connect(settings["JOULEPLAN_ACTUALS_PATH"])) as kept:
        assert kept.execute("SELECT count(*) FROM notes").fetchone() == (0,)


@pytest.mark.anyio
async def test_a_floor_above_every_score_is_refused_with_the_highest() -> None:
    decisions, app = decision_service(), FastAPI()
    app.include_router(
        policy.router(decisions, PolicyKeeper(decisions, ActualsStore(IN_MEMORY, 1)))
    )
    add_refusals(app, ("",))
    transport = httpx.ASGITransport(app)
    highest = max(row.quality or 0.0 for row in ROWS)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.put("/policy", json={"min_mean_quality": 0.99})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/min_mean_quality"
        assert error["detail"].startswith(f"Expected at most {highest:g}, ")
        assert (await client.put("/policy", json={"min_mean_quality": highest})).status_code == 200
        asked = DecisionBody(llm="a", input_tokens=1, output_tokens=1, min_quality=0.99)
    with pytest.raises(ProblemError) as refused:
        decisions.decide(asked)
    assert refused.value.problem.errors[0].pointer == "/min_quality"
