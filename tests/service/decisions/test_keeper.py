"""The policy that was in force comes back after a restart, unless it cannot be or has ended."""

from __future__ import annotations

import logging
from pathlib import Path

import orjson
import pytest

from service.decisions.actuals.store import ActualsStore
from service.decisions.decision_service import DecisionService
from service.decisions.keeper import NOTE, PolicyKeeper, policy_from, text_of
from service.decisions.policy import Policy

pytestmark = pytest.mark.anyio

NOW = 1000.0
WEIGHTS = Policy("weights", {"p": 40.0}, 2.0, 0.6, made_at=900.0, expires_at=1100.0)
FORECAST = Policy("forecast", {"p": 1.5}, 0.0, None, 900.0, 1100.0, "forecast-7")
FOR_EVER = Policy("weights", made_at=900.0)


def wall_clock() -> float:
    return NOW


async def restarted(path: Path) -> Policy:
    """Return the policy in force after a start."""
    decisions, store = DecisionService(wall_clock=wall_clock), ActualsStore(path, 10)
    keeper = PolicyKeeper(decisions, store, wall_clock)
    await keeper.start()
    await keeper.stop()
    await store.stop()
    return decisions.policy


async def put(path: Path, *policies: Policy | None) -> None:
    decisions, store = DecisionService(wall_clock=wall_clock), ActualsStore(path, 10)
    keeper = PolicyKeeper(decisions, store, wall_clock)
    await keeper.start()
    for policy in policies:
        decisions.publish(policy)
    await keeper.stop()
    await store.stop()


async def note(path: Path, text: str) -> None:
    store = ActualsStore(path, 10)
    await store.note(NOTE, text)
    await store.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "actuals.sqlite3"


@pytest.mark.parametrize("policy", [WEIGHTS, FORECAST, FOR_EVER])
async def test_the_last_policy_comes_back_as_it_was(path: Path, policy: Policy) -> None:
    await put(path, WEIGHTS, None, policy)
    assert await restarted(path) == policy


async def test_a_policy_that_was_deleted_does_not_come_back(path: Path) -> None:
    await put(path, WEIGHTS, None)
    assert (await restarted(path)).source == "fallback"


async def test_a_policy_that_has_ended_meanwhile_is_not_taken_up(path: Path) -> None:
    await put(path, Policy("weights", {"p": 40.0}, made_at=800.0, expires_at=NOW))
    decisions, store = DecisionService(wall_clock=wall_clock), ActualsStore(path, 10)
    await PolicyKeeper(decisions, store, wall_clock).start()
    assert decisions.policy.source == "fallback"
    assert decisions.policy_age_s() == 0.0
    assert not decisions.policy_expired()


KEPT = orjson.loads(text_of(WEIGHTS))


@pytest.mark.parametrize(
    "changed",
    [
        {"joules_per_device_second": {"p": "40"}},
        {"joules_per_device_second": [40.0]},
        {"joules_per_quality_token": "2"},
        {"joules_per_quality_token": None},
        {"min_mean_quality": True},
        {"expires_at": "tomorrow"},
        {"source": "fallback"},
        {"colour": 1},
    ],
)
async def test_what_is_no_policy_is_warned_of_and_not_taken_up(
    path: Path, caplog: pytest.LogCaptureFixture, changed: dict[str, object]
) -> None:
    await note(path, orjson.dumps(KEPT | changed).decode())
    with caplog.at_level(logging.WARNING):
        assert (await restarted(path)).source == "fallback"
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("The policy of before cannot be read. Expected what was kept, got ")
    assert next(iter(changed)) in message


async def test_what_is_no_json_is_warned_of_too(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await note(path, "{")
    with caplog.at_level(logging.WARNING):
        assert (await restarted(path)).source == "fallback"
    assert "The policy of before cannot be read." in caplog.text


def test_a_policy_is_read_as_it_was_written() -> None:
    assert policy_from(text_of(FORECAST)) == FORECAST
