"""A pool whose workers obey, and what it is asked to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from service.calls.messages import Job
from service.settings.settings import Settings
from service.workers.link import WorkerMain
from service.workers.loaded_files import PoolListener
from service.workers.pool import WorkerPool
from tests.service.workers import worker_mains


def job(command: str) -> Job:
    return Job("predict", command.encode(), "/predict")


@asynccontextmanager
async def running(
    workers: int = 1,
    call_limit_s: float = 30.0,
    max_queue: int = 16,
    main: WorkerMain = worker_mains.obey,
    listener: PoolListener | None = None,
) -> AsyncIterator[WorkerPool]:
    settings = Settings(
        models_dir=Path("unused"),
        workers=workers,
        max_time_limit_seconds=call_limit_s / 2,
        call_limit_seconds=call_limit_s,
        max_queue=max_queue,
    )
    pool = worker_mains.pool_of(settings, main, listener)
    pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def pid_of(pool: WorkerPool) -> int:
    return int((await pool.submit(job("pid"))).body)
