"""The calls that wait for a worker, and the workers that wait for a call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Literal

from service.problems import Problem, ProblemError
from service.workers.link import Worker
from service.workers.memory import HeldBodies, MemoryBudget

if TYPE_CHECKING:
    from service.settings.work import WorkSettings

RETRY_AFTER_S = 2
LONGEST_RETRY_AFTER_S = 120
SMOOTHING = 0.2
"""Weight of the last call in the mean of how long calls take."""

Stage = Literal["queued", "running"]


_QueueKey = tuple[bool, str | None]
"""Whether calls are patient, and whose they are then."""


class WorkerQueue:
    """Gives each call an idle worker when its memory is committed, or refuses it.

    `held` are large bodies that no worker has yet, and `running` counts the calls that have
    one.
    """

    def __init__(self, work: WorkSettings) -> None:
        self._work = work
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._memory = MemoryBudget(work.memory_bytes)
        self._mean_s = 0.0
        self._impatient = 0
        # Calls that wait: those that somebody waits for, and each owner's that are patient.
        self._waiting: Counter[_QueueKey] = Counter()
        self._patient_turn = asyncio.Lock()
        max_patient = max(work.max_held_bytes // 2, work.max_body_bytes)
        self.held = HeldBodies(work.max_held_bytes, max_patient, max_patient // 2)
        self.running = 0

    @property
    def waiting(self) -> int:
        """How many calls wait, for memory or for a worker."""
        return self._waiting.total()

    @property
    def idle(self) -> int:
        """How many workers wait for a call; some of them may have ended."""
        return self._idle.qsize()

    @property
    def held_bytes(self) -> int:
        """Bytes of the large bodies that no worker has yet."""
        return self.held.size

    @property
    def committed_bytes(self) -> int:
        """The memory that calls with a worker are estimated to take."""
        return self._memory.committed_bytes

    @property
    def memory_bytes(self) -> int:
        """The memory that calls may take together."""
        return self._memory.budget_bytes

    def check_memory(self, size: int) -> None:
        """Refuse with 413 a call that is estimated to take more memory than all may."""
        self._memory.check(size)

    def check_room(self, owner: str | None) -> None:
        """Refuse with 429 a patient call for which there is neither a worker nor room to wait.

        Each owner has places of their own.
        """
        if self._idle.empty():
            self._check_queue(_queue_key(owner, patient=True))

    def check_bytes(self, more: int, *, patient: bool = False, owner: str | None = None) -> None:
        """Refuse with 429 `more` bytes of a body where no more may wait, or no patient ones."""
        if not self.held.fits(more, patient=patient, owner=owner):
            message = f"Bodies of {self.held.size} bytes wait for a worker already."
            raise self._overloaded(message)

    def put(self, worker: Worker) -> None:
        """Take in a worker that has no call."""
        if worker.alive:
            self._idle.put_nowait(worker)

    def put_back(self, worker: Worker, memory_bytes: int) -> None:
        """Take in a worker that was taken, and the memory of its call."""
        self._memory.leave(memory_bytes)
        self.put(worker)

    def took(self, seconds: float) -> None:
        """Learn how long a call took."""
        self._mean_s += SMOOTHING * (seconds - self._mean_s)

    async def take(
        self,
        memory_bytes: int,
        on_stage: Callable[[Stage], None],
        *,
        patient: bool,
        owner: str | None = None,
    ) -> Worker:
        """Return an idle worker when the memory of a call is committed to it.

        `on_stage` is called when the call has to wait. A patient call waits for as long as
        it takes, and lets calls that are not go first. A ProblemError has the status 429
        when too many calls wait, and 503 when no worker comes.
        """
        free = not (patient and self._impatient)
        while free and self._memory.fits(memory_bytes) and not self._idle.empty():
            worker = self._idle.get_nowait()
            if worker.alive:
                await self._memory.enter(memory_bytes)
                return worker
        key = _queue_key(owner, patient=patient)
        self._check_queue(key)
        self._waiting[key] += 1
        on_stage("queued")
        try:
            if patient:
                # One at a time: the memory of all would be kept from calls that somebody waits for.
                async with self._patient_turn:
                    return await self._turn(memory_bytes, patient=True)
            async with asyncio.timeout(self._work.call_limit_seconds):
                return await self._turn(memory_bytes, patient=False)
        except TimeoutError:
            raise unavailable("not-ready", "No worker was free in time.") from None
        finally:
            self._waiting[key] -= 1
            # Owners come and go.
            self._waiting += Counter()

    async def _turn(self, memory_bytes: int, *, patient: bool) -> Worker:
        await self._memory.enter(memory_bytes, patient=patient)
        return await self._next_idle(memory_bytes, patient=patient)

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

    def _check_queue(self, key: _QueueKey) -> None:
        """Refuse a call where too many wait of its kind and owner: others have their own places."""
        waiting = self._waiting[key]
        if waiting >= self._work.max_queue:
            patient, owner = key
            kind = "asynchronous plans" if patient else "calls"
            whose = "" if owner is None else f" of {owner}"
            raise self._overloaded(f"{waiting} {kind}{whose} wait for a worker already.")

    def _overloaded(self, message: str) -> ProblemError:
        """Return the refusal that says when a turn is to be expected."""
        turns = (self.waiting + self.running) / self._work.workers
        seconds = min(LONGEST_RETRY_AFTER_S, max(RETRY_AFTER_S, ceil(turns * self._mean_s)))
        return ProblemError(Problem("overloaded", message, retry_after_s=seconds))


def _queue_key(owner: str | None, *, patient: bool) -> _QueueKey:
    return patient, owner if patient else None


def unavailable(slug: str, detail: str) -> ProblemError:
    """Return the refusal of a call that no worker answers, and that may be made again soon."""
    return ProblemError(Problem(slug, detail, retry_after_s=RETRY_AFTER_S))
