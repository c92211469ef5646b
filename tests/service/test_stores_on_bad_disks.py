"""Stores on a disk that is full or read-only, and files that the service may not read."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.soak.__main__ import small_disk
from tests.service.actuals_calls import observations, report, states
from tests.service.decision_fleet import save_two_pools
from tests.service.plans.calls import ASYNC, slug, start, wait_for
from tests.service.server import QUICK_STORES, Server
from tests.waiting import wait_until

SIZE = 8 * 1024 * 1024
BODY = {"requests": [{"input_tokens": 200, "output_tokens": 100}]}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs root that may mount")
    with small_disk(tmp_path / "disk", SIZE) as mounted:
        yield mounted


@pytest.fixture
def environment(tmp_path: Path, disk: Path) -> dict[str, str]:
    (tmp_path / "models").mkdir()
    return {
        "JOULEPLAN_MODELS_DIR": str(save_two_pools(tmp_path / "models")),
        "JOULEPLAN_ACTUALS_PATH": str(disk / "actuals.sqlite3"),
        "JOULEPLAN_STORE_PATH": str(disk / "plans.sqlite3"),
    }


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


def check_that_it_refuses(server: Server) -> None:
    answer = report(server, "one")
    put = server.client.put("/policy", json={"joules_per_quality_token": 2.0})
    planned = server.client.post("/plan", json=BODY, headers=ASYNC)
    for refused, hint, retry_after in (
        (answer, "", "5"),
        (put, " The policy of before stays in force.", "5"),
        (planned, " Plans can be made synchronously.", "10"),
    ):
        assert (refused.status_code, slug(refused)) == (503, "store-unavailable"), refused.text
        assert refused.json()["detail"].endswith(f".{hint}")
        assert refused.headers["retry-after"] == retry_after
    assert states(server) == dict.fromkeys(("actuals", "policy", "plans"), "failing")
    assert server.post("/plan", BODY).status_code == 200


def check_that_it_keeps(server: Server) -> None:
    wait_until(lambda: states(server) == dict.fromkeys(("actuals", "policy", "plans"), "disk"))
    assert report(server, "one").json() == {"accepted": 1, "duplicates": 0}
    put = server.client.put("/policy", json={"joules_per_quality_token": 2.0})
    assert put.status_code == 200
    wait_for(server, start(server, BODY), "finished")


def kept(path: Path, query: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [text for (text,) in connection.execute(query)]


@pytest.mark.parametrize("home", [False, True], ids=["set", "by default"])
@pytest.mark.parametrize(
    ("spoil", "mend"),
    [
        (fill, lambda disk: (disk / "filler").unlink()),
        (lambda disk: remount(disk, "ro"), lambda disk: remount(disk, "rw")),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_nothing_at_the_start_refuses_until_it_does(
    environment: dict[str, str],
    disk: Path,
    spoil: Callable[[Path], None],
    mend: Callable[[Path], None],
    home: bool,
) -> None:
    store: str | None = ":memory:"
    if home:
        del environment["JOULEPLAN_ACTUALS_PATH"], environment["JOULEPLAN_STORE_PATH"]
        environment["XDG_STATE_HOME"], store = str(disk), None
        with Server(environment, store=None) as first:
            first.wait_until_ready()
            wait_for(first, start(first, BODY), "finished")
    spoil(disk)
    with Server(environment, store, periods_s=QUICK_STORES) as server:
        server.wait_until_ready()
        check_that_it_refuses(server)
        mend(disk)
        check_that_it_keeps(server)
        server.kill()
    # A service that starts reads them, as others show.
    folder = disk / "jouleplan" if home else disk
    assert kept(folder / "actuals.sqlite3", "SELECT id FROM actuals") == ["one"]
    assert len(kept(folder / "actuals.sqlite3", "SELECT text FROM notes")) == 1
    finished = ["finished"] * (2 if home else 1)
    assert kept(folder / "plans.sqlite3", "SELECT status FROM plans") == finished


def test_plans_whose_file_is_deleted_are_written_again(
    environment: dict[str, str], disk: Path
) -> None:
    with Server(environment, periods_s=QUICK_STORES) as server:
        server.wait_until_ready()
        path = start(server, BODY)
        wait_for(server, path, "finished")
        answer = server.client.get(f"{path}/result").content
        for file in disk.glob("plans.sqlite3*"):
            file.unlink()
        wait_until(lambda: "written again" in server.logs())
        assert (disk / "plans.sqlite3").exists()
        server.kill()
    with Server(environment, periods_s=QUICK_STORES) as again:
        again.wait_until_ready()
        assert again.client.get(f"{path}/result").content == answer


def test_what_is_harmed_while_the_disk_is_full_is_rescued_when_there_is_room(
    environment: dict[str, str], disk: Path
) -> None:
    path = disk / "actuals.sqlite3"
    rescued = "all that was acknowledged is written again"
    with Server(environment, periods_s=QUICK_STORES) as server:
        server.wait_until_ready()
        for times, harmed in enumerate((path, path.with_name(f"{path.name}-wal"))):
            for call in range(20):
                names = (f"{times}-{call}-{one}" for one in range(20))
                assert report(server, *names).status_code == 200
            fill(disk)
            os.truncate(harmed, harmed.stat().st_size // 2)
            fill(disk)
            wait_until(lambda: states(server)["actuals"] == "failing")
            assert report(server, f"{times}-new").status_code == 503
            (disk / "filler").unlink()
            wait_until(lambda: states(server)["actuals"] == "disk")
            assert report(server, f"{times}-new").json() == {"accepted": 1, "duplicates": 0}
            assert server.logs().count(rescued) > times
        server.kill()
    with Server(environment, periods_s=QUICK_STORES) as again:
        again.wait_until_ready()
        assert observations(again) == 802
