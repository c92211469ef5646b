"""Calls are let in by memory and by bytes: a third large one waits or is told to come back."""

import asyncio
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.calls.messages import JSON, Job, Reply
from service.problems import ProblemError
from service.settings.settings import Settings
from service.workers import queue
from service.workers.memory import CALL_BYTES, MemoryBudget
from service.workers.pool import WorkerPool
from tests.service.bodies import a100_fleet, endless
from tests.service.server import Server
from tests.service.workers import worker_mains
from tests.waiting import wait_in_loop_until, wait_until

pytestmark = pytest.mark.anyio
GIBIBYTE = 2**30


def job(command: str, memory_bytes: int = 0) -> Job:
    return Job("predict", command.encode(), "/predict", memory_bytes=memory_bytes)


def obeying(**changes: int) -> WorkerPool:
    return worker_mains.pool_of(Settings(models_dir=Path("unused"), **changes), worker_mains.obey)  # type: ignore[arg-type]


async def test_calls_enter_while_their_estimates_fit() -> None:
    budget = MemoryBudget(100)
    await budget.enter(60)
    await budget.enter(40)
    assert (budget.committed_bytes, budget.fits(1)) == (100, False)


async def test_calls_that_wait_enter_in_turn_though_a_later_one_would_fit() -> None:
    budget, order = MemoryBudget(100), []

    async def take(size: int) -> None:
        await budget.enter(size)
        order.append(size)

    await budget.enter(60)
    waiting = [asyncio.create_task(take(size)) for size in (70, 10, 20)]
    await asyncio.sleep(0)
    assert order == []
    budget.leave(60)
    await asyncio.gather(*waiting)
    assert order == [70, 10, 20]


async def test_calls_that_somebody_waits_for_enter_before_those_that_are_patient() -> None:
    budget, order = MemoryBudget(100), []

    async def take(name: str, size: int, *, patient: bool) -> None:
        await budget.enter(size, patient=patient)
        order.append(name)

    await budget.enter(60)
    first = [("patient", 70, True), ("small", 40, False), ("large", 70, False)]
    waiting = [asyncio.create_task(take(name, size, patient=kind)) for name, size, kind in first]
    await asyncio.sleep(0)
    await wait_in_loop_until(lambda: order == ["small"])
    budget.leave(60)
    budget.leave(40)
    await wait_in_loop_until(lambda: order == ["small", "large"])
    budget.leave(70)
    await asyncio.gather(*waiting)
    assert order == ["small", "large", "patient"]


async def test_a_full_queue_of_one_kind_leaves_the_other_its_places(tmp_path: Path) -> None:
    pool = obeying(workers=1, memory_bytes=GIBIBYTE, max_queue=2)
    pool.start()
    large = GIBIBYTE * 3 // 4
    try:
        running = asyncio.create_task(pool.submit(job(f"hold {tmp_path / 'go'}")))
        await wait_in_loop_until(lambda: pool.queue.running == 1)
        calls, ended = [running], list[str]()

        async def ask(name: str, *, patient: bool) -> Reply:
            reply = await pool.submit(job("pid", large), patient=patient)
            ended.append(name)
            return reply

        for patient in (True, False):
            for index in range(2):
                before = pool.queue.waiting
                calls.append(asyncio.create_task(ask(f"{patient} {index}", patient=patient)))
                await wait_in_loop_until(lambda before=before: pool.queue.waiting > before)  # type: ignore[misc]
            with pytest.raises(ProblemError) as caught:
                await pool.submit(job("pid"), patient=patient)
            assert caught.value.problem.slug == "overloaded"
        (tmp_path / "go").touch()
        replies = await asyncio.gather(*calls)
        assert [reply.status for reply in replies] == [200] * 5
        assert ended[-1] == "True 1"
        assert pool.queue.waiting == pool.queue.committed_bytes == 0
    finally:
        await pool.stop()


async def test_a_call_that_gives_up_lets_the_next_one_in() -> None:
    budget = MemoryBudget(100)
    await budget.enter(60)
    first, second = (asyncio.create_task(budget.enter(size)) for size in (90, 30))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first, second})
    assert first.cancelled()
    assert budget.committed_bytes == 90


async def test_a_call_that_gives_up_as_it_is_let_in_gives_back() -> None:
    budget = MemoryBudget(100)
    await budget.enter(60)
    late = asyncio.create_task(budget.enter(90))
    await asyncio.sleep(0)
    budget.leave(60)
    late.cancel()
    await asyncio.wait({late})
    assert budget.committed_bytes == 0


async def test_a_call_that_would_never_fit_is_too_large() -> None:
    pool = obeying(memory_bytes=GIBIBYTE)
    with pytest.raises(ProblemError) as caught:
        await pool.submit(job("pid", 2 * GIBIBYTE))
    problem = caught.value.problem
    assert (problem.slug, problem.status) == ("too-large", 413)
    assert "2.1 GB" in problem.detail


async def test_a_call_waits_for_memory_though_a_worker_is_idle(tmp_path: Path) -> None:
    pool = obeying(workers=2, memory_bytes=GIBIBYTE, max_queue=2)
    pool.start()
    try:
        large = GIBIBYTE * 3 // 4
        running = asyncio.create_task(pool.submit(job(f"hold {tmp_path / 'go'}", large)))
        await wait_in_loop_until(lambda: pool.queue.running == 1 and pool.queue.idle > 0)
        waiting = [asyncio.create_task(pool.submit(job("pid", large))) for _ in range(2)]
        await wait_in_loop_until(lambda: pool.queue.waiting == 2)
        assert (pool.queue.running, pool.queue.waiting, pool.queue.committed_bytes) == (1, 2, large)
        with pytest.raises(ProblemError) as caught:
            await pool.submit(job("pid", large))
        assert (caught.value.problem.status, caught.value.problem.slug) == (429, "overloaded")
        assert caught.value.problem.retry_after_s is not None
        (tmp_path / "go").touch()
        replies = await asyncio.gather(running, *waiting)
        assert [reply.status for reply in replies] == [200, 200, 200]
        assert (pool.queue.running, pool.queue.waiting, pool.queue.committed_bytes) == (0, 0, 0)
    finally:
        await pool.stop()


async def told_to_come_back_s(pool: WorkerPool) -> int:
    """Return the seconds after which a call is told to come back while another one runs."""
    await wait_in_loop_until(lambda: pool.queue.idle > 0)
    busy = asyncio.create_task(pool.submit(job("sleep 600")))
    await wait_in_loop_until(lambda: pool.queue.running == 1)
    with pytest.raises(ProblemError) as caught:
        await pool.submit(job("pid"))
    busy.cancel()
    await asyncio.wait({busy})
    assert caught.value.problem.retry_after_s is not None
    return caught.value.problem.retry_after_s


async def test_retry_after_is_when_a_turn_is_to_be_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A minute of calls is not to be waited for here: without the least that is told, one will do.
    monkeypatch.setattr(queue, "RETRY_AFTER_S", 0)
    pool = obeying(workers=1, max_queue=0)
    pool.start()
    try:
        assert await told_to_come_back_s(pool) == 0
        await wait_in_loop_until(lambda: pool.queue.idle > 0)
        await pool.submit(job("sleep 0.5"))
        assert await told_to_come_back_s(pool) > 0
    finally:
        await pool.stop()


async def test_memory_of_a_call_whose_worker_is_lost_is_given_back() -> None:
    pool = obeying(workers=1, memory_bytes=GIBIBYTE)
    pool.start()
    try:
        with pytest.raises(ProblemError):
            await pool.submit(job("kill", GIBIBYTE))
        assert pool.queue.committed_bytes == 0
        assert (await pool.submit(job("pid", GIBIBYTE))).status == 200
    finally:
        await pool.stop()


def test_a_body_must_be_able_to_wait() -> None:
    with pytest.raises(ValueError, match="JOULEPLAN_MAX_HELD_BYTES"):
        obeying(max_body_bytes=2 * GIBIBYTE)


def gauges(server: Server) -> dict[str, float]:
    """Return the gauges of the load."""
    lines = server.client.get("/metrics").text.splitlines()
    pairs = (line.split(" ") for line in lines if line.startswith("jouleplan_") and "{" not in line)
    return {name.removeprefix("jouleplan_"): float(value) for name, value in pairs}


@contextmanager
def left_running(server: Server) -> Iterator[None]:
    """Have a call run that only the clock ends; its caller leaves on exit."""
    body = json.dumps(endless()).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as caller:
        caller.sendall(
            b"POST /plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        wait_until(lambda: gauges(server)["calls_running"] == 1)
        yield


def test_a_server_says_how_busy_it_is_and_refuses_bytes_that_may_not_wait(models_dir: Path) -> None:
    environment = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_MEMORY_BYTES": str(GIBIBYTE),
        "JOULEPLAN_MAX_BODY_BYTES": "200000",
        "JOULEPLAN_MAX_HELD_BYTES": "200000",
    }
    n = 15_000
    many = {"input_tokens": [500] * n, "output_tokens": [300] * n}
    body = json.dumps({"columns": many, "fleet": a100_fleet()}).encode()
    assert 100_000 < len(body) < 200_000
    headers = {"content-type": JSON}
    with Server(environment) as own, ThreadPoolExecutor(1) as threads:
        own.wait_until_ready()
        before = gauges(own)
        assert (before["calls_running"], before["held_body_bytes"]) == (0, 0)
        assert before["memory_budget_bytes"] == GIBIBYTE
        with left_running(own):
            waiting = threads.submit(
                httpx.post, f"{own.url}/plan", content=body, headers=headers, timeout=90
            )
            wait_until(lambda: gauges(own)["calls_waiting"] >= 1)
            busy = gauges(own)
            assert (busy["calls_running"], busy["calls_waiting"]) == (1, 1)
            assert busy["held_body_bytes"] == len(body)
            assert CALL_BYTES < busy["memory_committed_bytes"] < GIBIBYTE
            third = own.client.post("/plan", content=body, headers=headers)
            assert third.status_code == 429
            assert int(third.headers["retry-after"]) >= 1
            assert "wait for a worker already" in third.json()["detail"]
        assert waiting.result().status_code == 200
        wait_until(lambda: gauges(own)["memory_committed_bytes"] == 0)
