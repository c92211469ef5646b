"""A worker that is lost costs one call: crashes, time-outs, leavers, full queues."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.calls.messages import Job, Reply, Update
from service.problems import ProblemError
from service.workers.link import FAILED_STATUS, STUCK_STATUS
from service.workers.loaded_files import PoolListener
from service.workers.pool import WorkerPool
from tests.service.server import ROOT
from tests.service.workers import worker_mains
from tests.service.workers.worker_pools import job, pid_of, running, runs
from tests.waiting import PATIENCE_S, wait_in_loop_until

pytestmark = pytest.mark.anyio


class Losses(PoolListener):
    """Whether each worker that was lost had hung."""

    def __init__(self) -> None:
        self.hung: list[bool] = []

    def worker_lost(self, *, hung: bool) -> None:
        self.hung.append(hung)


async def test_one_worker_answers_call_after_call() -> None:
    async with running() as pool:
        assert await pid_of(pool) == await pid_of(pool)


@pytest.mark.parametrize("command", ["abort", "kill", "exit", "garbage"])
async def test_a_worker_that_dies_costs_that_call_only(command: str) -> None:
    async with running() as pool:
        before = await pid_of(pool)
        with pytest.raises(ProblemError) as caught:
            await pool.submit(job(command))
        assert caught.value.problem.slug == "worker-lost"
        assert caught.value.problem.status == 503
        assert caught.value.problem.retry_after_s is not None
        assert await pid_of(pool) != before


async def test_an_idle_worker_that_is_killed_costs_no_call() -> None:
    async with running() as pool:
        before = await pid_of(pool)
        os.kill(before, signal.SIGKILL)
        await wait_in_loop_until(lambda: not runs(before))
        assert await pid_of(pool) != before


async def with_idle_worker(pool: WorkerPool) -> WorkerPool:
    """Return a pool when a call need not wait for a worker to start, which counts to its limit."""
    await wait_in_loop_until(lambda: pool.ready and pool.queue.idle > 0)
    return pool


async def test_a_call_that_takes_too_long_is_cut_and_its_worker_killed() -> None:
    async with running(call_limit_s=3.0) as pool:
        before = await pid_of(await with_idle_worker(pool))
        with pytest.raises(ProblemError) as caught:
            await pool.submit(job("sleep 60"))
        assert caught.value.problem.slug == "timed-out"
        await wait_in_loop_until(lambda: not runs(before))
        assert await pid_of(await with_idle_worker(pool)) != before


@pytest.mark.parametrize(
    ("command", "hung"),
    [("sleep 60", True), (f"status {STUCK_STATUS}", True), ("kill", False), ("exit", False)],
)
async def test_a_worker_that_hung_is_counted_apart_from_one_that_died(
    command: str, *, hung: bool
) -> None:
    losses = Losses()
    async with running(call_limit_s=3.0, listener=losses) as pool:
        await with_idle_worker(pool)
        with pytest.raises(ProblemError):
            await pool.submit(job(command))
        await wait_in_loop_until(lambda: losses.hung == [hung])


async def test_a_worker_whose_caller_left_did_not_hang() -> None:
    losses = Losses()
    async with running(listener=losses) as pool:
        left = asyncio.create_task(pool.submit(job("sleep 600")))
        await wait_in_loop_until(lambda: pool.queue.running == 1)
        left.cancel()
        await wait_in_loop_until(lambda: losses.hung == [False])


async def test_a_caller_that_leaves_frees_the_worker() -> None:
    async with running() as pool:
        await pid_of(pool)
        left = asyncio.create_task(pool.submit(job("sleep 600")))
        await wait_in_loop_until(lambda: pool.queue.running == 1)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        await pid_of(pool)


async def test_a_caller_that_leaves_the_queue_harms_nobody(tmp_path: Path) -> None:
    async with running() as pool:
        before = await pid_of(pool)
        busy = asyncio.create_task(pool.submit(job(f"hold {tmp_path / 'go'}")))
        await wait_in_loop_until(lambda: pool.queue.running == 1)
        waiting = asyncio.create_task(pool.submit(job("pid")))
        await wait_in_loop_until(lambda: pool.queue.waiting == 1)
        waiting.cancel()
        (tmp_path / "go").touch()
        assert (await busy).status == 200
        assert await pid_of(pool) == before


async def test_more_calls_than_may_wait_are_refused_with_a_time_to_come_back(
    tmp_path: Path,
) -> None:
    async with running(max_queue=1) as pool:
        await pid_of(pool)
        hold = f"hold {tmp_path / 'go'}"
        calls = [asyncio.create_task(pool.submit(job(hold))) for _ in range(3)]
        await wait_in_loop_until(lambda: any(call.done() for call in calls))
        (tmp_path / "go").touch()
        results = await asyncio.gather(*calls, return_exceptions=True)
        refused = [r.problem for r in results if isinstance(r, ProblemError)]
        assert [problem.slug for problem in refused] == ["overloaded"]
        assert refused[0].status == 429
        assert refused[0].retry_after_s is not None
        assert sum(isinstance(r, Reply) for r in results) == 2


async def test_two_workers_answer_at_the_same_time() -> None:
    async with running(workers=2) as pool:
        await pid_of(pool)
        replies: set[bytes] = set()
        async with asyncio.timeout(PATIENCE_S):
            while len(replies) < 2:
                calls = [pool.submit(job("sleep 0.3")) for _ in range(2)]
                replies |= {reply.body for reply in await asyncio.gather(*calls)}


async def test_a_pool_whose_workers_cannot_start_is_not_ready() -> None:
    async with running(main=worker_mains.never_ready, call_limit_s=2.0) as pool:
        with pytest.raises(ProblemError) as caught:
            await pool.submit(job("pid"))
        assert caught.value.problem.slug == "not-ready"
        assert not pool.ready
        assert pool.description is None


async def test_a_large_reply_and_a_large_body_pass_the_pipe() -> None:
    async with running() as pool:
        body = b"pid " + b"x" * 50_000_000
        reply = await pool.submit(Job("predict", body, "/predict"))
        assert reply.status == 200


async def test_calls_that_are_patient_let_the_others_go_first(tmp_path: Path) -> None:
    async with running() as pool:
        await pid_of(pool)
        ended: list[str] = []

        async def ask(name: str, *, patient: bool) -> None:
            await pool.submit(job("sleep 0.1"), patient=patient)
            ended.append(name)

        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as calls:
            calls.create_task(pool.submit(job(f"hold {tmp_path / 'go'}")))
            await wait_in_loop_until(lambda: pool.queue.running == 1)
            for name, patient in (("p1", True), ("p2", True), ("a", False), ("b", False)):
                before = pool.queue.waiting
                calls.create_task(ask(name, patient=patient))
                await wait_in_loop_until(lambda before=before: pool.queue.waiting > before)  # type: ignore[misc]
            (tmp_path / "go").touch()
        assert ended[:2] == ["a", "b"]
        assert sorted(ended[2:]) == ["p1", "p2"]


async def test_a_patient_call_waits_longer_than_a_call_may_take() -> None:
    limit_s, calls = 3.0, 12
    async with running(call_limit_s=limit_s) as pool:
        await with_idle_worker(pool)
        # The last one waits for longer than the limit, and each takes far less.
        patient = [pool.submit(job(f"sleep {limit_s / 10}"), patient=True) for _ in range(calls)]
        assert [reply.status for reply in await asyncio.gather(*patient)] == [200] * calls


async def test_updates_arrive_in_order_and_before_the_reply() -> None:
    async with running() as pool:
        events: list[Update] = []
        reply = await pool.submit(job("tell 500"), on_update=events.append)
        assert reply.status == 200
        assert [int(update.body) for update in events] == list(range(500))


async def test_updates_are_received_in_the_event_loop() -> None:
    async with running() as pool:
        loops: list[asyncio.AbstractEventLoop] = []
        await pool.submit(job("tell 1"), lambda _: loops.append(asyncio.get_running_loop()))
        assert loops == [asyncio.get_running_loop()]


async def test_a_worker_knows_whether_somebody_listens() -> None:
    async with running() as pool:
        assert (await pool.submit(job("watched"))).body == b"False"
        assert (await pool.submit(job("watched"), on_update=lambda _: None)).body == b"True"


async def test_nothing_is_received_of_a_call_after_it_was_cancelled() -> None:
    async with running() as pool:
        before = await pid_of(pool)
        events: list[Update] = []
        call = asyncio.create_task(pool.submit(job("tell-for-ever"), on_update=events.append))
        await wait_in_loop_until(lambda: bool(events))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        count = len(events)
        assert await pid_of(pool) != before
        assert len(events) == count


async def test_a_worker_that_dies_after_updates_costs_that_call_only() -> None:
    async with running() as pool:
        events: list[Update] = []
        await pool.submit(job("tell 3"), on_update=events.append)
        with pytest.raises(ProblemError):
            await pool.submit(job("kill"), on_update=events.append)
        assert (await pool.submit(job("tell 3"), on_update=events.append)).status == 200
        assert len(events) == 6


def test_what_fails_while_a_worker_starts_is_logged_with_its_reason() -> None:
    code = (
        "from multiprocessing import Pipe\n"
        "from service.calls.messages import BEGUN\n"
        "from service.settings.settings import Settings\n"
        "from service.workers import pipe, process\n"
        "from service.workers.link import enter\n"
        "def fail():\n    raise OSError(24, 'Too many open files')\n"
        "process.warm_up = fail\n"
        "ours, theirs = Pipe()\n"
        "pipe.send(ours, BEGUN)\n"
        "enter(theirs, Settings())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ended.returncode == FAILED_STATUS
    assert "Too many open files" in ended.stderr
