"""The workers: a few processes behind pipes, each replaced when it is lost.

::

    WorkerPool.submit -> an idle Worker -> pipe -> `service.workers.process.run_worker`

A worker takes one call at a time. When it dies, takes too long or its caller leaves, it is killed
and another is started; no other call notices.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from service.problems import Problem, ProblemError
from service.workers.entry import enter
from service.workers.link import (
    Worker,
    WorkerLostError,
    WorkerMain,
    WorkerProcess,
    loading_job,
    start_worker,
)
from service.workers.listener import PoolListener
from service.workers.memory import HeldBodies, MemoryBudget
from service.workers.messages import RELOADED, Description, Job, Reply, Tell, unheard
from service.workers.watchdog import watch

if TYPE_CHECKING:
    from service.settings import Settings

logger = logging.getLogger("service.workers.pool")

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
RETRY_AFTER_S = 2
LONGEST_RETRY_AFTER_S = 120
RELOAD_WAIT_S = 10.0
RELOAD_TRIES = 3
MAX_TRIES = 3
"""Workers that a call is given to which is lost each time before it has begun."""
#: Weight of the last call in the mean of how long calls take.
SMOOTHING = 0.2

Stage = Literal["queued", "running"]


class WorkerPool:
    """A fixed number of workers.

    Parameters
    ----------
    settings
        How many workers, how long a call may take and how many may wait.
    main
        What a worker runs.
    listener
        Hears what happens.
    first
        A worker process that was started already.

    Attributes
    ----------
    description
        What the workers have loaded; None until one is ready.
    held
        Large bodies that no worker has yet.
    waiting, running
        How many calls wait, for memory or for a worker, and how many have a worker.
    """

    def __init__(
        self,
        settings: Settings,
        main: WorkerMain = enter,
        listener: PoolListener | None = None,
        first: WorkerProcess | None = None,
    ) -> None:
        self._listener = listener or PoolListener()
        self._settings = settings
        self._main = main
        self._first = first
        self._first_ready = asyncio.Event()
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._memory = MemoryBudget(settings.memory_bytes)
        self._mean_s = 0.0
        self.held = HeldBodies(settings.max_held_bytes)
        self.waiting = 0
        self.running = 0
        self._impatient = 0
        self._workers: set[Worker] = set()
        self._supervisors: list[asyncio.Task[None]] = []
        self._generation = 0
        self._changed = False
        self.description: Description | None = None

    @property
    def ready(self) -> bool:
        """Whether some worker has loaded, and is not seen to be dead or to hang."""
        return any(worker.alive and worker.answers for worker in self._workers)

    @property
    def held_bytes(self) -> int:
        """Bytes of the large bodies that no worker has yet."""
        return self.held.size

    @property
    def committed_bytes(self) -> int:
        """What the calls that have a worker are estimated to take of memory."""
        return self._memory.committed_bytes

    @property
    def memory_bytes(self) -> int:
        """What calls may take of memory together."""
        return self._memory.budget_bytes

    def start(self) -> None:
        """Start the workers: the first alone, the others when it is ready."""
        self._supervisors = [
            asyncio.create_task(self._supervise(first=index == 0))
            for index in range(self._settings.workers)
        ]

    async def stop(self) -> None:
        """End the workers, whatever they do."""
        for supervisor in self._supervisors:
            supervisor.cancel()
        await asyncio.gather(*self._supervisors, return_exceptions=True)

    async def submit(
        self,
        job: Job,
        on_update: Tell | None = None,
        *,
        on_stage: Callable[[Stage], None] = lambda _: None,
        patient: bool = False,
    ) -> Reply:
        """Return the reply of the next idle worker.

        If this is cancelled, the worker that has the call is killed.

        Parameters
        ----------
        job
            The call.
        on_update
            Told in the event loop of what the worker tells before its reply; None for nothing.
        on_stage
            Told when the call waits for a worker, and when one has it.
        patient
            Wait for a worker for as long as it takes, and let calls that are not go first.

        Raises
        ------
        ProblemError
            413 when it is estimated to take more memory than all may, 429 when too many calls wait,
        503 when no worker comes, is lost or takes too long.
        """
        self._memory.check(job.memory_bytes)
        watched = replace(job, watched=on_update is not None)
        for _ in range(MAX_TRIES):
            worker = await self._take(job.memory_bytes, on_stage, patient=patient)
            on_stage("running")
            try:
                return await self._run_on(worker, watched, on_update or unheard)
            except WorkerLostError as lost:
                logger.warning("A worker was lost.", extra={"request_id": job.request_id})
                # With another it is as new; one that had begun may be what ended its worker.
                if lost.begun:
                    break
        raise _unavailable("worker-lost", "The worker of this call was lost.")

    async def _run_on(self, worker: Worker, job: Job, on_update: Tell) -> Reply:
        """Return the reply of a worker that was taken, and let go of it."""
        self.running += 1
        started = perf_counter()
        try:
            async with asyncio.timeout(self._settings.call_limit_seconds):
                try:
                    await self._refresh(worker)
                except WorkerLostError as lost:
                    raise WorkerLostError(str(lost), begun=False) from lost
                reply = await worker.exchange(job, on_update)
                if reply.tally is not None:
                    self._listener.planned(reply.tally)
                return reply
        except TimeoutError:
            worker.kill()
            limit = f"{self._settings.call_limit_seconds:g}"
            raise _unavailable("timed-out", f"The call took more than {limit} seconds.") from None
        except asyncio.CancelledError:
            worker.kill()
            raise
        finally:
            self.running -= 1
            self._mean_s += SMOOTHING * (perf_counter() - started - self._mean_s)
            self._memory.leave(job.memory_bytes)
            if worker.alive:
                self._idle.put_nowait(worker)

    async def reload(self) -> None:
        """Let the workers load the cost models and the fleet again.

        One that is idle does at once, and tells what is loaded now; each other adopts that before
        its next call. What has begun goes on with what it had.
        """
        self._changed = True
        for _ in range(RELOAD_TRIES):
            if await self._reload_once():
                return
        # Whatever is in them: callers must not lose their workers by it.
        self._changed = False
        lost = f"{RELOAD_TRIES} workers were lost that were to load them."
        self._listener.files_read(dict.fromkeys(RELOADED, lost))

    async def _reload_once(self) -> bool:
        """Return whether a worker has loaded, or one that is busy will."""
        try:
            async with asyncio.timeout(RELOAD_WAIT_S):
                worker = await self._take(0, lambda _: None, patient=True)
        except TimeoutError:
            # All are busy: the first that is not loads before its next call, and tells then.
            return True
        try:
            async with asyncio.timeout(self._settings.call_limit_seconds):
                await self._refresh(worker)
        except (WorkerLostError, TimeoutError):
            worker.kill()
            logger.warning("A worker was lost while it loaded the cost models again.")
            return False
        except asyncio.CancelledError:
            worker.kill()
            raise
        finally:
            self._memory.leave(0)
            if worker.alive:
                self._idle.put_nowait(worker)
        return True

    async def _refresh(self, worker: Worker) -> None:
        """Let a worker load what has changed, or adopt what another has loaded."""
        if self._changed:
            await self._read_files(worker)
        elif worker.generation != self._generation:
            generation = self._generation
            await worker.exchange(loading_job("adopt", self._loaded))
            worker.generation = generation

    @property
    def _loaded(self) -> bytes:
        """What some worker has loaded, for others; empty before."""
        return b"" if self.description is None else self.description.loaded

    async def _read_files(self, worker: Worker) -> None:
        self._changed = False
        try:
            reply = await worker.exchange(loading_job("reload", self._loaded))
        except (WorkerLostError, asyncio.CancelledError):
            self._changed = True
            raise
        self._generation += 1
        worker.generation = self._generation
        if reply.description is not None:
            self.description = reply.description
            self._listener.described(reply.description)
            self._listener.files_read(reply.description.failures)
            count = len(reply.description.cost_models)
            logger.info("A worker has loaded again.", extra={"cost_models": count})

    def check_room(self) -> None:
        """Refuse a call for which there is neither a worker nor room to wait.

        Raises
        ------
        ProblemError
            429 when too many calls wait.
        """
        if self._idle.empty():
            self._check_queue()

    def check_bytes(self, more: int) -> None:
        """Refuse a body, or more of it, where no more bytes may wait.

        Raises
        ------
        ProblemError
            429.
        """
        if not self.held.fits(more):
            message = f"Bodies of {self.held.size} bytes wait for a worker already."
            raise self._overloaded(message)

    def _check_queue(self) -> None:
        if self.waiting >= self._settings.max_queue:
            raise self._overloaded(f"{self.waiting} calls wait for a worker already.")

    def _overloaded(self, message: str) -> ProblemError:
        """Return the refusal that says when a turn is to be expected."""
        turns = (self.waiting + self.running) / self._settings.workers
        seconds = min(LONGEST_RETRY_AFTER_S, max(RETRY_AFTER_S, ceil(turns * self._mean_s)))
        return ProblemError(Problem("overloaded", message, retry_after_s=seconds))

    async def _take(
        self, memory_bytes: int, on_stage: Callable[[Stage], None], *, patient: bool
    ) -> Worker:
        """Return an idle worker when the memory of a call is committed to it."""
        free = not (patient and self._impatient)
        while free and self._memory.fits(memory_bytes) and not self._idle.empty():
            worker = self._idle.get_nowait()
            if worker.alive:
                await self._memory.enter(memory_bytes)
                return worker
        self._check_queue()
        self.waiting += 1
        on_stage("queued")
        try:
            async with asyncio.timeout(None if patient else self._settings.call_limit_seconds):
                await self._memory.enter(memory_bytes)
                return await self._next_idle(memory_bytes, patient=patient)
        except TimeoutError:
            raise _unavailable("not-ready", "No worker was free in time.") from None
        finally:
            self.waiting -= 1

    async def _next_idle(self, memory_bytes: int, *, patient: bool) -> Worker:
        """Return the next idle worker; who is patient lets those pass who wait for one too."""
        self._impatient += not patient
        try:
            while True:
                worker = await self._idle.get()
                if worker.alive and not (patient and self._impatient):
                    return worker
                if worker.alive:
                    # Back to the queue, whose next one is woken by that.
                    self._idle.put_nowait(worker)
                    await asyncio.sleep(0)
        except BaseException:
            self._memory.leave(memory_bytes)
            raise
        finally:
            self._impatient -= not patient

    async def _supervise(self, *, first: bool) -> None:
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
        generation = self._generation
        process = self._first or start_worker(self._main, self._settings, self._loaded)
        self._first = None
        worker = Worker(process, generation)
        try:
            description = await worker.receive()
            seconds = round(perf_counter() - started, 3)
            logger.info("A worker is ready.", extra={"pid": worker.pid, "seconds": seconds})
            self._add(worker, description)
            await watch(worker)
        except WorkerLostError:
            await worker.lost.wait()
            return False
        finally:
            self._workers.discard(worker)
            self._listener.workers_changed(len(self._workers))
            worker.kill()
        self._listener.worker_lost()
        return True

    def _add(self, worker: Worker, description: Description) -> None:
        if self.description is None:
            self._listener.files_read(description.failures)
        # It may have begun before the others loaded what is newer.
        if worker.generation == self._generation:
            self.description = description
            self._listener.described(description)
        self._workers.add(worker)
        self._listener.workers_changed(len(self._workers))
        self._first_ready.set()
        self._idle.put_nowait(worker)


def _unavailable(slug: str, detail: str) -> ProblemError:
    return ProblemError(Problem(slug, detail, retry_after_s=RETRY_AFTER_S))
