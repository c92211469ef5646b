"""Actuals of a real server: acknowledged means kept, whatever happens to file and process."""

from __future__ import annotations

import json
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.decisions.keeper import NOTE
from tests.service.actuals_calls import ACTUAL, observations, report, states
from tests.service.decision_fleet import FLEET, save_two_pools
from tests.service.server import QUICK_STORES, Server
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fleet = FLEET.replace("concurrency: [1]", "concurrency: [1, 8]")
    return save_two_pools(tmp_path_factory.mktemp("models"), fleet)


@contextmanager
def running(models: Path, path: Path) -> Iterator[Server]:
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models),
        "JOULEPLAN_ACTUALS_PATH": str(path),
    }
    with Server(settings, periods_s=QUICK_STORES) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="module")
def on_disk(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnDisk]:
    path = tmp_path_factory.mktemp("state") / "actuals.sqlite3"
    with running(models, path) as server:
        yield OnDisk(server, path)


@dataclass(frozen=True)
class OnDisk:
    """A server and the file of its actuals."""

    server: Server
    path: Path

    @contextmanager
    def full(self, size: int) -> Iterator[None]:
        """Let no file of the process grow beyond a size: writes fail as on a full disk."""
        pid = self.server.process.pid
        unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, unlimited[1]))
        yield
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)

    def query(self, query: str) -> Any:
        """Return the one value that is asked for."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query).fetchone()[0]


def in_flight(server: Server) -> int:
    """Return what is in flight on the one device of the pool: 1 for any number."""
    asked = {"input_tokens": ACTUAL["input_tokens"], "output_tokens": ACTUAL["output_tokens"]}
    prices = server.client.get("/prices", params=asked).json()["prices"]
    found = next(one for one in prices if one["pool"] == "small")
    return 0 if found["concurrency"] == 1 else 1


def test_what_was_acknowledged_is_there_after_a_kill(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "actuals.sqlite3"
    with running(models, path) as first:
        for number in range(20):
            assert report(first, f"n{number}", f"m{number}").json()["accepted"] == 2
        first.kill()
    with running(models, path) as second:
        assert observations(second) == 40
        assert report(second, "n19", "m19").json() == {"accepted": 0, "duplicates": 2}


def test_a_disk_that_is_full_is_reported_and_nothing_is_learned(on_disk: OnDisk) -> None:
    server = on_disk.server
    assert report(server, "first").status_code == 200
    kept, refused = observations(server), []
    with on_disk.full(200_000):
        for number in range(200):
            names = [f"{number}-{one}" for one in range(50)]
            answer = report(server, *names)
            if answer.status_code != 200:
                assert answer.status_code == 503
                assert answer.json()["type"].endswith("store-unavailable")
                assert int(answer.headers["retry-after"]) > 0
                refused = names
                break
            kept += 50
        assert refused
        assert observations(server) == kept
    assert report(server, *refused).json() == {"accepted": 50, "duplicates": 0}
    assert observations(server) == kept + 50
    assert on_disk.query("SELECT count(*) FROM actuals WHERE measured_j > 0") == kept + 50
    assert on_disk.query("PRAGMA integrity_check") == "ok"


def test_a_decision_whose_actual_was_refused_is_judged_by_its_own_concurrency(
    on_disk: OnDisk,
) -> None:
    server = on_disk.server
    made = server.post(
        "/decision", {"llm": "qwen3-8b", "input_tokens": 200, "output_tokens": 100}
    ).json()
    placement = made["placement"]
    predicted = placement["energy_joules"]["value"] / placement["correction"]["energy"]
    assert in_flight(server) > 0
    actual = {"id": "again", "decision_id": made["decision_id"], **ACTUAL}
    body = {"actuals": [{**actual, "energy_joules": predicted}]}
    with on_disk.full(1):
        assert server.post("/actuals", body).status_code == 503
        assert in_flight(server) == 0
    assert server.post("/actuals", body).json()["accepted"] == 1
    kept = on_disk.query("SELECT predicted_j FROM actuals WHERE id = 'again'")
    assert kept == pytest.approx(predicted)


def test_one_that_comes_twice_in_a_call_counts_once(on_disk: OnDisk) -> None:
    before = observations(on_disk.server)
    answer = report(on_disk.server, "one", "two", "one")
    assert answer.json() == {"accepted": 2, "duplicates": 1}
    assert observations(on_disk.server) == before + 2


def decides(server: Server) -> bool:
    asked = {"llm": "qwen3-8b", "input_tokens": 200, "output_tokens": 100}
    return server.post("/decision", asked).status_code == 200


def failing(server: Server) -> bool:
    metrics = server.client.get("/metrics").text
    return 'jouleplan_store_successful{store="actuals"} 0.0' in metrics


@pytest.mark.parametrize("kind", ["tables", "folder", "lock"])
def test_a_file_that_cannot_be_used_at_the_start_refuses_until_it_can(
    models: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "actuals.sqlite3"
    with closing(sqlite3.connect(path if kind != "folder" else ":memory:")) as other:
        if kind == "folder":
            path.mkdir()
        elif kind == "tables":
            other.execute("CREATE TABLE customers (name TEXT)")
        else:
            other.execute("BEGIN EXCLUSIVE")
        with running(models, path) as server:
            answer = report(server, "one", "two")
            assert answer.status_code == 503
            assert answer.json()["type"].endswith("store-unavailable")
            assert int(answer.headers["retry-after"]) > 0
            put = server.client.put("/policy", json={"joules_per_quality_token": 2.0})
            assert put.status_code == 503
            assert server.client.get("/policy").json()["source"] == "fallback"
            assert server.client.delete("/policy").status_code == 503
            assert decides(server)
            assert failing(server)
            assert (
                'jouleplan_store_durable{store="policy"} 0.0' in server.client.get("/metrics").text
            )
            ready = server.client.get("/readyz")
            assert ready.status_code == 200
            assert ready.json()["stores"]["actuals"] == "failing"
            assert sum("Cannot keep actuals" in note for note in ready.json()["notes"]) == 1
            assert server.logs().count("Cannot keep actuals") == 1

            if kind == "folder":
                path.rmdir()
            elif kind == "tables":
                path.rename(tmp_path / "customers")
            else:
                other.rollback()
            wait_until(lambda: not failing(server))
            assert states(server)["actuals"] == states(server)["policy"] == "disk"
            assert report(server, "one", "two").json() == {"accepted": 2, "duplicates": 0}
            put = server.client.put("/policy", json={"joules_per_quality_token": 2.0})
            assert put.status_code == 200
            server.kill()
    # A service that starts reads them, as others show.
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM actuals").fetchall() == [("one",), ("two",)]
        ((policy,),) = connection.execute("SELECT text FROM notes WHERE name = ?", (NOTE,))
        assert json.loads(policy)["joules_per_quality_token"] == 2.0


def test_actuals_of_before_are_learned_once_when_a_lock_is_gone(
    models: Path, tmp_path: Path
) -> None:
    path = tmp_path / "actuals.sqlite3"
    with running(models, path) as first:
        report(first, *(f"n{number}" for number in range(30)))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with running(models, path) as second:
            assert observations(second) == 0
            other.execute("ROLLBACK")
            wait_until(lambda: report(second, "new").status_code == 200)
            wait_until(lambda: not failing(second))
            assert observations(second) == 31


def test_garbage_is_set_aside_and_reported(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "actuals.sqlite3"
    path.write_text("no database\n" * 500)
    with running(models, path) as server:
        assert report(server, "one").json() == {"accepted": 1, "duplicates": 0}
        [aside] = tmp_path.glob("actuals.sqlite3.damaged-*")
        assert aside.read_text() == "no database\n" * 500
        assert str(aside) in server.logs()
        server.kill()
    with running(models, path) as again:
        assert observations(again) == 1


def test_a_file_that_is_deleted_loses_no_actual(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    path = folder / "actuals.sqlite3"
    with running(models, path) as server:
        report(server, "one", "two")
        shutil.rmtree(folder)
        assert report(server, "three").json() == {"accepted": 1, "duplicates": 0}
        for file in folder.iterdir():
            file.unlink()
        wait_until(lambda: server.logs().count("written again") >= 2)
        assert path.exists()
        server.kill()
    with running(models, path) as again:
        assert observations(again) == 3


def test_in_memory_by_choice_is_reported_and_is_no_failure(server: Server) -> None:
    actual = {
        "id": "in memory",
        "llm": "llama-3.1-8b-instruct",
        "pool": "h100",
        "output_tokens": 9,
    }
    assert server.post("/actuals", {"actuals": [actual]}).status_code == 200
    assert states(server) == {"actuals": "memory", "policy": "memory", "plans": "memory"}
    assert not failing(server)
    assert server.client.get("/readyz").json()["notes"] == []
