"""One worker process and the pipe to it.

::

    start_worker -> WorkerProcess   before there is an event loop
    Worker(process)                 in the event loop: receive, exchange, kill, lost
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from service.calls.content import AnonymousFile, collect
from service.calls.messages import BEGUN, Description, Job, OnUpdate, Reply, Update, ignore_update
from service.calls.processes import start_shielded
from service.workers.pipe import receive, send

if TYPE_CHECKING:
    from service.settings.settings import Settings

logger = logging.getLogger("service.worker")

Received = TypeVar("Received")
WorkerMain = Callable[[Connection, Any], None]
StartWorker = Callable[[bytes], "WorkerProcess"]
STUCK_STATUS = 1
"""Status with which `faulthandler` ends a worker that is stuck; none ends with it otherwise."""
FAILED_STATUS = 70
"""Status of a worker that an error ended: EX_SOFTWARE of `sysexits.h`."""


class WorkerLostError(Exception):
    """The process of a worker ended, or its pipe broke; `begun`: its call may have begun."""

    def __init__(self, message: str, *, begun: bool = True) -> None:
        super().__init__(message)
        self.begun = begun


@dataclass(frozen=True)
class WorkerProcess:
    """A process that was started, and this end of the pipe to it."""

    process: BaseProcess
    connection: Connection


def start_worker(main: WorkerMain, settings: Settings, loaded: bytes = b"") -> WorkerProcess:
    """Start a process that runs `main`; it does not wait for it to be ready.

    `loaded` is what another worker has loaded and this one is to adopt; empty to read the
    files.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=main, args=(theirs, settings), name="jouleplan-worker", daemon=True
    )
    start_shielded(process)
    theirs.close()
    # One that has ended already is found by whoever waits for what it has loaded.
    with suppress(OSError):
        send(ours, loading_job("adopt" if loaded else "reload", loaded))
    return WorkerProcess(process, ours)


def loading_job(kind: Literal["adopt", "reload"], loaded: bytes) -> Job:
    """Return the job that lets a worker adopt what another has loaded, or read the files anew."""
    return Job(kind, collect([loaded]), "")


class Worker:
    """A worker as the event loop sees it.

    The pool counts `generation` up when what is loaded changes. `lost` is set when the process
    has ended, and `answers` is False while it does nothing. `sent_s` is when it was sent a call
    that it has not begun with, by `time.perf_counter`; else None.
    """

    def __init__(self, started: WorkerProcess, generation: int = 0) -> None:
        self.generation = generation
        self.answers = True
        self.busy = False
        self.sent_s: float | None = None
        self._process = started.process
        self._connection = started.connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="worker-pipe")
        self._killed = False
        self._hung = False
        self.lost = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._process.sentinel, self._on_exit)

    @property
    def pid(self) -> int | None:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs and is not being ended."""
        return not self._killed and not self.lost.is_set() and self._process.is_alive()

    async def receive(self) -> Description:
        """Return what the worker has loaded, which it sends first; WorkerLostError if lost."""
        return await self._in_thread(self._connection.recv)

    async def exchange(self, job: Job, on_update: OnUpdate = ignore_update) -> Reply:
        """Send a call and return the reply; WorkerLostError if the worker is lost on the way.

        `on_update` is called in the event loop with each update, in order: with all of them
        before this returns, with none after it was cancelled.
        """
        loop = asyncio.get_running_loop()
        listening, begun = True, False

        def pass_on(update: Update) -> None:
            if listening:
                on_update(update)

        def send_and_receive() -> Reply:
            nonlocal begun
            send(self._connection, job)
            while True:
                received = receive(self._connection)
                begun, self.sent_s = True, None
                if isinstance(job.body, AnonymousFile):
                    job.body.close()
                if isinstance(received, Reply):
                    return received
                if isinstance(received, Update) and received != BEGUN:
                    loop.call_soon_threadsafe(pass_on, received)

        self.busy, self.sent_s = True, perf_counter()
        try:
            return await self._in_thread(send_and_receive)
        except WorkerLostError as error:
            raise WorkerLostError(str(error), begun=begun) from error
        finally:
            listening = self.busy = False
            self.sent_s = None

    async def ping(self) -> None:
        """Return when the worker, which has no call, has answered; WorkerLostError if it is lost.

        Calls wait for that.
        """

        def send_and_receive() -> None:
            send(self._connection, Job("ping", b"", ""))
            receive(self._connection)

        await self._in_thread(send_and_receive)

    async def _in_thread(self, function: Callable[[], Received]) -> Received:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            self.kill()
            raise WorkerLostError(str(error)) from error

    @property
    def hung(self) -> bool:
        """Whether it was ended because it lived and did nothing, or ended itself for that."""
        return self._hung or self._process.exitcode == STUCK_STATUS

    def kill(self, *, hung: bool = False) -> None:
        """End the process at once; `hung` where it lives and does nothing."""
        self._hung |= hung
        self._killed = True
        self._process.kill()

    def _on_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        # After whatever the thread is reading still: a pipe closed under a reader may be another's.
        self._thread.submit(self._connection.close)
        self._thread.shutdown(wait=False)
        self.lost.set()


def enter(connection: Connection, settings: Settings) -> None:
    """Run a worker over a pipe; see `service.workers.process.run_worker`."""
    try:
        from service.workers.process import run_worker  # noqa: PLC0415  heavy, and only needed here

        run_worker(connection, settings)
    except Exception:
        logger.exception("A worker failed.")
        sys.exit(FAILED_STATUS)
