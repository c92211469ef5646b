"""Starts the workers of a pool, monitors them, and starts another for each that is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from service.workers.link import StartWorker, Worker, WorkerLostError, WorkerProcess
from service.workers.loaded_files import LoadedFiles, PoolListener
from service.workers.watchdog import monitor

logger = logging.getLogger("service.workers.supervisor")

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0


@dataclass
class Supervisor:
    """Keeps `count` workers going.

    `start_one` starts a worker, to adopt what another has loaded; `first` is one that was
    started already. `on_ready` is given each worker that has loaded.
    """

    count: int
    start_one: StartWorker
    first: WorkerProcess | None
    files: LoadedFiles
    listener: PoolListener
    on_ready: Callable[[Worker], None]
    _first_ready: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _workers: set[Worker] = field(default_factory=set, init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list, init=False)

    @property
    def ready(self) -> bool:
        """Whether some worker has loaded, and is not seen to be dead or to hang."""
        return any(worker.alive and worker.answers for worker in self._workers)

    def start(self) -> None:
        """Start the workers: the first alone, the others when it is ready."""
        self._tasks = [
            asyncio.create_task(self._keep_one(first=index == 0)) for index in range(self.count)
        ]

    async def stop(self) -> None:
        """End the workers, whatever they do."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_one(self, *, first: bool) -> None:
        if not first:
            await self._first_ready.wait()
        backoff_s = FIRST_BACKOFF_S
        while True:
            if await self._run_one():
                backoff_s = FIRST_BACKOFF_S
                continue
            logger.error("A worker could not start.")
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    async def _run_one(self) -> bool:
        """Run one worker until it is lost; return whether it was ever ready."""
        started = perf_counter()
        generation = self.files.generation
        process = self.first or self.start_one(self.files.packed)
        self.first = None
        worker = Worker(process, generation)
        try:
            description = await worker.receive()
            seconds = round(perf_counter() - started, 3)
            logger.info("A worker is ready.", extra={"pid": worker.pid, "seconds": seconds})
            self.files.found(worker, description)
            self._add(worker)
            await monitor(worker)
        except WorkerLostError:
            await worker.lost.wait()
            return False
        finally:
            self._workers.discard(worker)
            self.listener.workers_changed(len(self._workers))
            worker.kill()
        self.listener.worker_lost(hung=worker.hung)
        return True

    def _add(self, worker: Worker) -> None:
        self._workers.add(worker)
        self.listener.workers_changed(len(self._workers))
        self._first_ready.set()
        self.on_ready(worker)
