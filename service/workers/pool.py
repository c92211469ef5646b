"""The workers: a few processes behind pipes, each replaced when it is lost.

::

    WorkerPool.submit -> WorkerQueue.take -> Worker -> pipe -> `service.workers.process.run_worker`
    Supervisor -> start_worker, monitor, LoadedFiles.found -> WorkerQueue.put

A worker takes one call at a time. When it dies, takes too long or its caller leaves, it is killed
and another is started; no other call notices.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from service.calls.messages import Description, Job, OnUpdate, Reply, ignore_update
from service.workers.link import StartWorker, Worker, WorkerLostError, WorkerProcess
from service.workers.loaded_files import LoadedFiles, PoolListener
from service.workers.queue import Stage, WorkerQueue, unavailable
from service.workers.supervisor import Supervisor

if TYPE_CHECKING:
    from service.settings.work import WorkSettings

logger = logging.getLogger("service.workers.pool")

RELOAD_WAIT_S = 10.0
RELOAD_TRIES = 3
MAX_WORKERS_TRIED = 3
"""Workers that a call is given to which is lost each time before it has begun."""


class WorkerPool:
    """A fixed number of workers.

    `start` starts a worker, and `first` is one that was started already. `queue` holds the
    calls that wait for a worker.
    """

    def __init__(
        self,
        work: WorkSettings,
        start: StartWorker,
        listener: PoolListener | None = None,
        first: WorkerProcess | None = None,
    ) -> None:
        self._listener = listener or PoolListener()
        self._limit_s = work.call_limit_seconds
        self._files = LoadedFiles(self._listener)
        self.queue = WorkerQueue(work)
        self._supervisor = Supervisor(
            work.workers, start, first, self._files, self._listener, self.queue.put
        )

    @property
    def description(self) -> Description | None:
        """What the workers have loaded; None until one is ready."""
        return self._files.description

    @property
    def may_be_mended(self) -> bool:
        """Whether what of the files cannot be used may be read again, to see whether it now can."""
        return self._files.may_be_mended

    @property
    def ready(self) -> bool:
        """Whether some worker has loaded, and is not seen to be dead or to hang."""
        return self._supervisor.ready

    def start(self) -> None:
        """Start the workers: the first alone, the others when it is ready."""
        self._supervisor.start()

    async def stop(self) -> None:
        """End the workers, whatever they do."""
        await self._supervisor.stop()

    async def submit(
        self,
        job: Job,
        on_update: OnUpdate | None = None,
        *,
        on_stage: Callable[[Stage], None] = lambda _: None,
        patient: bool = False,
    ) -> Reply:
        """Return the reply of the next idle worker; if this is cancelled, the worker is killed.

        `on_update` is called in the event loop with what the worker publishes before its
        reply, and `on_stage` when the call waits for a worker and when one has it. A
        patient call waits for as long as it takes, and lets calls that are not go first. A
        ProblemError has the status 413 when the call is estimated to take more memory than
        all may, 429 when too many calls wait, and 503 when no worker comes, is lost or
        takes too long.
        """
        self.queue.check_memory(job.memory_bytes)
        job = replace(job, wants_updates=on_update is not None)
        for _ in range(MAX_WORKERS_TRIED):
            worker = await self.queue.take(
                job.memory_bytes, on_stage, patient=patient, owner=job.owner
            )
            on_stage("running")
            try:
                return await self._run_on(worker, job, on_update or ignore_update)
            except WorkerLostError as lost:
                logger.warning("A worker was lost.", extra={"request_id": job.request_id})
                # With another it is as new; one that had begun may be what ended its worker.
                if lost.begun:
                    break
        raise unavailable("worker-lost", "The worker of this call was lost.")

    async def _run_on(self, worker: Worker, job: Job, on_update: OnUpdate) -> Reply:
        """Return the reply of a worker that was taken, and let go of it."""
        self.queue.running += 1
        started = perf_counter()
        try:
            async with self._used(worker, job.memory_bytes):
                await self._files.refresh(worker)
                reply = await worker.exchange(job, on_update)
                if reply.tally is not None:
                    self._listener.planned(reply.tally)
                return reply
        except TimeoutError:
            limit = f"{self._limit_s:g}"
            raise unavailable("timed-out", f"The call took more than {limit} seconds.") from None
        finally:
            self.queue.running -= 1
            self.queue.took(perf_counter() - started)

    @asynccontextmanager
    async def _used(self, worker: Worker, memory_bytes: int) -> AsyncIterator[None]:
        """Let go of a worker that was taken, afterwards; kill it where it has not done its work."""
        try:
            async with asyncio.timeout(self._limit_s):
                yield
        except TimeoutError:
            worker.kill(hung=True)
            raise
        except asyncio.CancelledError:
            worker.kill()
            raise
        finally:
            self.queue.put_back(worker, memory_bytes)

    async def reload(self) -> None:
        """Let the workers load the cost models and the fleet again.

        One that is idle does at once, and sends what is loaded now; each other adopts that
        before its next call. What has begun goes on with what it had.
        """
        self._files.changed = True
        for _ in range(RELOAD_TRIES):
            if await self._reload_once():
                return
        # Whatever is in them: callers must not lose their workers by it.
        self._files.give_up(f"{RELOAD_TRIES} workers were lost that were to load them.")

    async def _reload_once(self) -> bool:
        """Return whether a worker has loaded, or one that is busy will."""
        try:
            async with asyncio.timeout(RELOAD_WAIT_S):
                worker = await self.queue.take(0, lambda _: None, patient=True)
        except TimeoutError:
            # All are busy: the first that is not loads before its next call.
            return True
        try:
            async with self._used(worker, 0):
                await self._files.refresh(worker)
        except (WorkerLostError, TimeoutError):
            logger.warning("A worker was lost while it loaded the cost models again.")
            return False
        return True
