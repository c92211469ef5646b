"""Workers that live and do nothing are found, killed and replaced; waiting calls are not lost."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.calls.messages import Job
from service.problems import ProblemError
from service.settings.settings import Settings
from service.workers import watchdog
from service.workers.link import FAILED_STATUS, STUCK_STATUS
from service.workers.watchdog import is_stopped
from tests.service.bodies import a100_fleet
from tests.service.server import Server
from tests.service.workers import worker_mains
from tests.service.workers.worker_pools import job, pid_of, running, runs
from tests.waiting import wait_in_loop_until, wait_until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to see stopped processes"),
]


async def test_the_call_of_an_idle_worker_that_was_stopped_is_given_to_another() -> None:
    async with running() as pool:
        before = await pid_of(pool)
        os.kill(before, signal.SIGSTOP)
        assert await pid_of(pool) != before
        assert not runs(before)


async def test_a_worker_that_is_stopped_with_a_call_costs_that_call_and_is_replaced() -> None:
    async with running() as pool:
        before = await pid_of(pool)
        with pytest.raises(ProblemError) as caught:
            await pool.submit(job("stop"))
        assert caught.value.problem.slug == "worker-lost"
        assert caught.value.problem.retry_after_s is not None
        assert await pid_of(pool) != before


async def test_a_pool_is_not_ready_while_no_worker_answers() -> None:
    async with running() as pool:
        before = await pid_of(pool)
        os.kill(before, signal.SIGSTOP)
        await wait_in_loop_until(lambda: not pool.ready)
        await wait_in_loop_until(lambda: pool.ready)
        assert await pid_of(pool) != before


async def test_an_idle_worker_that_answers_no_ping_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(watchdog, "PING_INTERVAL_S", 0.0)
    monkeypatch.setattr(watchdog, "PING_TIMEOUT_S", 2.0)
    pool = worker_mains.pool_of(
        Settings(models_dir=tmp_path, workers=1), worker_mains.deaf_at_first
    )
    pool.start()
    try:
        async with asyncio.timeout(120):
            assert (await pool.submit(Job("predict", b"pid", "/predict"))).status == 200
    finally:
        await pool.stop()


def test_a_process_is_seen_to_be_stopped_and_to_go_on() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        assert not is_stopped(process.pid)
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_stopped(process.pid))
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: not is_stopped(process.pid))
        process.kill()
    assert not is_stopped(process.pid)


def counted(server: Server, name: str) -> float:
    (found,) = re.findall(rf"^jouleplan_{name} (\S+)", server.client.get("/metrics").text, re.M)
    return float(found)


def test_a_server_whose_worker_is_stopped_says_so_and_goes_on(server: Server) -> None:
    names = ("worker_restarts_total", "worker_hangs_total")
    before = [counted(server, name) for name in names]
    wait_until(lambda: len(server.worker_pids()) == 1)
    (worker,) = server.worker_pids()
    os.kill(worker, signal.SIGSTOP)
    n = 30_000
    columns = {"input_tokens": [500] * n, "output_tokens": [300] * n}
    answer = server.post("/plan", {"columns": columns, "fleet": a100_fleet()})
    assert answer.status_code == 200, answer.text
    assert not Path(f"/proc/{worker}").exists()
    assert "A worker is killed: it was stopped." in server.logs()
    assert [counted(server, name) for name in names] == [count + 1.0 for count in before]


STUCK = """
import ctypes
from service.workers.process import ending_when_stuck

def planner():
    ctypes.PyDLL(None).sleep(600)  # keeps the interpreter to itself: no other thread can run

with ending_when_stuck(0.2, stuck_s=0.2):
    planner()
"""


def test_a_plan_that_is_stuck_in_c_ends_its_process_and_reports_where() -> None:
    command = [sys.executable, "-c", STUCK]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == STUCK_STATUS
    assert "in planner" in ended.stderr


FAILING = """
from service.workers.link import enter
enter(None, None)  # no pipe to read from
"""


def test_a_worker_that_an_error_ends_is_not_taken_for_one_that_hung() -> None:
    command = [sys.executable, "-c", FAILING]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == FAILED_STATUS
    assert "A worker failed." in ended.stderr
