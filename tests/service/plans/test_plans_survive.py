"""What becomes of plans when the service stops, is killed, or cannot keep them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.service.batch_file_calls import batch_file, planned, post
from tests.service.bodies import endless
from tests.service.plans.calls import ASYNC, BODY, events, slug, start, wait_for
from tests.service.server import Server
from tests.waiting import wait_until


@pytest.fixture
def environment(models_dir: Path, tmp_path: Path) -> dict[str, str]:
    return {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_STORE_PATH": str(tmp_path / "state" / "plans.sqlite3"),
    }


@pytest.mark.parametrize("end", [Server.kill, Server.stop])
def test_after_a_restart_plans_are_there_and_the_running_one_is_interrupted(
    environment: dict[str, str], end: Callable[[Server], object]
) -> None:
    with Server(environment) as first:
        first.wait_until_ready()
        finished = start(first, BODY)
        wait_for(first, finished, "finished")
        answer = first.client.get(f"{finished}/result").content
        running, queued = start(first, endless()), start(first, BODY)
        wait_for(first, running, "running")
        end(first)
    with Server(environment) as second:
        second.wait_until_ready()
        assert second.client.get(f"{finished}/result").content == answer
        for path in (running, queued):
            assert second.client.get(path).json()["status"] == "interrupted"
            gone = second.client.get(f"{path}/result")
            assert (gone.status_code, slug(gone)) == (410, "no-result")
            assert "interrupted" in gone.json()["detail"]
            with second.client.stream("GET", f"{path}/events") as response:
                assert [e.state["status"] for e in events(response)] == ["interrupted"]
        assert second.client.delete(running).status_code == 204
        assert wait_for(second, start(second, BODY), "finished")


def test_a_worker_that_plans_ends_with_a_service_that_is_killed(
    environment: dict[str, str],
) -> None:
    with Server(environment) as own:
        own.wait_until_ready()
        (worker,) = own.worker_pids()
        wait_for(own, start(own, endless()), "running")
        own.kill()
        command = Path(f"/proc/{worker}/cmdline")
        wait_until(lambda: not runs(command))


def runs(command: Path) -> bool:
    """Whether a process still runs; one that only waits to be reaped has no command line."""
    try:
        return bool(command.read_bytes())
    except OSError:
        return False


def test_a_store_that_cannot_be_written_refuses_and_synchronous_planning_goes_on(
    environment: dict[str, str],
) -> None:
    path = "/proc/jouleplan/plans.sqlite3"
    with Server({**environment, "JOULEPLAN_STORE_PATH": path}) as own:
        own.wait_until_ready()
        refused = own.client.post("/plan", json=BODY, headers=ASYNC)
        assert (refused.status_code, slug(refused)) == (503, "store-unavailable")
        assert path.rpartition("/")[0] in refused.json()["detail"]
        assert "retry-after" in refused.headers
        assert slug(own.client.get("/plans")) == "store-unavailable"
        # Shards are for later, so a batch file is not planned without a store.
        refused = post(own, batch_file())
        assert (refused.status_code, slug(refused)) == (503, "store-unavailable")
        assert own.post("/plan", BODY).status_code == 200
        metrics = own.client.get("/metrics").text
        assert 'jouleplan_async_plans{status="running"} 0.0' in metrics


def test_a_file_that_is_no_database_is_set_aside_as_it_was(environment: dict[str, str]) -> None:
    store = Path(environment["JOULEPLAN_STORE_PATH"])
    store.parent.mkdir()
    store.write_text("not a database, and longer than the header of one would be " * 20)
    before = store.read_bytes()
    with Server(environment) as own:
        own.wait_until_ready()
        wait_for(own, start(own, BODY), "finished")
        [aside] = store.parent.glob(f"{store.name}.damaged-*")
        assert str(aside) in own.logs()
    assert aside.read_bytes() == before


def test_a_second_service_on_the_same_store_is_refused(environment: dict[str, str]) -> None:
    with Server(environment) as first, Server(environment) as second:
        first.wait_until_ready()
        second.wait_until_ready()
        path = start(first, endless())
        refused = second.client.post("/plan", json=BODY, headers=ASYNC)
        assert (refused.status_code, slug(refused)) == (503, "store-unavailable")
        assert "locked" in refused.json()["detail"]
        assert first.client.get(path).json()["status"] in {"queued", "running"}
        first.client.delete(path)
        first.stop()
        assert wait_for(second, start(second, BODY), "finished")


def test_plans_are_kept_in_memory_where_there_is_no_folder_for_them(
    environment: dict[str, str],
) -> None:
    del environment["JOULEPLAN_STORE_PATH"]
    with Server({**environment, "XDG_STATE_HOME": "/proc/nowhere"}, store=None) as own:
        own.wait_until_ready()
        path = start(own, BODY)
        wait_for(own, path, "finished")
        assert own.client.get(f"{path}/result").status_code == 200
        assert own.client.get("/plans").json()["survives_restart"] is False
        assert "Plans are kept in memory only." in own.logs()


def test_plans_are_kept_in_the_state_folder_of_the_user(
    environment: dict[str, str], tmp_path: Path
) -> None:
    del environment["JOULEPLAN_STORE_PATH"]
    with Server({**environment, "XDG_STATE_HOME": str(tmp_path)}, store=None) as own:
        own.wait_until_ready()
        assert own.post("/plan", BODY).status_code == 200
        store = tmp_path / "jouleplan" / "plans.sqlite3"
        assert not store.exists(), "nobody asked for an asynchronous plan"
        wait_for(own, start(own, BODY), "finished")
        assert store.stat().st_mode & 0o777 == 0o600
        assert store.parent.stat().st_mode & 0o777 == 0o700


def test_the_oldest_plans_go_when_there_are_too_many(environment: dict[str, str]) -> None:
    with Server({**environment, "JOULEPLAN_STORE_MAX_PLANS": "2"}) as own:
        own.wait_until_ready()
        paths = [start(own, BODY) for _ in range(4)]
        for path in paths[2:]:
            wait_for(own, path, "finished")
        assert [own.client.get(path).status_code for path in paths] == [404, 404, 200, 200]
        answers = [planned(own, batch_file(3)) for _ in range(3)]
        shards = [f"/plans/{answer['plan_id']}/shards" for answer in answers]
        assert [own.client.get(path).status_code for path in shards] == [410, 200, 200]


def test_an_answer_that_is_too_large_to_be_kept_says_so(environment: dict[str, str]) -> None:
    with Server({**environment, "JOULEPLAN_STORE_MAX_BYTES": "2000"}) as own:
        own.wait_until_ready()
        state = wait_for(own, start(own, BODY), "failed")
        assert state["problem"]["type"] == "urn:jouleplan:problem:too-large"
        assert "2000 are kept at most" in state["problem"]["detail"]
        refused = post(own, batch_file())
        assert (refused.status_code, slug(refused)) == (413, "too-large")
