"""Plans of batch files that are kept: in the background, over a restart, within limits."""

import sqlite3
from pathlib import Path

import pytest

from service.calls.schemas.answers import PlanAnswer
from service.plans.database import SCHEMA
from tests.service.answers import checked
from tests.service.batch_file_calls import batch_file, contents, planned, post
from tests.service.plans.calls import ASYNC, slug, wait_for
from tests.service.server import Server


@pytest.fixture
def kept(models_dir: Path, tmp_path: Path) -> dict[str, str]:
    return {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_STORE_PATH": str(tmp_path / "plans.sqlite3"),
    }


def test_a_file_is_planned_in_the_background_and_its_shards_survive_a_restart(
    kept: dict[str, str],
) -> None:
    with Server(kept) as first:
        first.wait_until_ready()
        waited_for = planned(first, batch_file())
        accepted = post(first, batch_file(), **ASYNC)
        assert accepted.status_code == 202
        path = accepted.headers["location"]
        state = wait_for(first, path, "finished")
        answer = first.client.get(f"{path}/result").json()
        assert checked(answer, PlanAnswer)["plan_id"] == state["plan_id"]
        before = contents(first, answer)
        assert before == contents(first, waited_for)
        first.kill()
    with Server(kept) as second:
        second.wait_until_ready()
        assert contents(second, answer) == before == contents(second, waited_for)
        listed = second.client.get(state["links"]["shards"]).json()
        assert listed["shards"] == answer["shards"]


@pytest.fixture
def old_store(tmp_path: Path) -> Path:
    path = tmp_path / "plans.sqlite3"
    store = sqlite3.connect(path)
    store.executescript(f"PRAGMA auto_vacuum = INCREMENTAL; {SCHEMA} PRAGMA user_version = 1;")
    store.execute(
        "INSERT INTO plans (plan_id, status, created_at, ended_at, events, reply_status, "
        "media_type, headers, size) VALUES "
        "('old', 'finished', 2e9, 2e9, 3, 200, 'application/json', '{}', 2)"
    )
    store.execute("INSERT INTO chunks VALUES (1, 0, x'7b7d')")
    store.commit()
    store.close()
    return path


def test_plans_of_a_store_without_shards_are_still_there(
    kept: dict[str, str], old_store: Path
) -> None:
    with Server({**kept, "JOULEPLAN_STORE_PATH": str(old_store)}) as own:
        own.wait_until_ready()
        assert own.client.get("/plans/old/result").content == b"{}"
        assert slug(own.client.get("/plans/old/shards")) == "shard-not-found"
        answer = planned(own, batch_file(2))
        assert contents(own, answer)
