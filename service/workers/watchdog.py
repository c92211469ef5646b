"""Finds workers that live and do nothing, and kills them, so that others are started.

A process that was stopped says so in `/proc`. One that is idle answers a ping, whatever it is stuck
in; one that is busy ends by itself when its call is far beyond its limit
(`service.workers.process`), or is killed when the call may take no longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from time import perf_counter

from service.workers.link import Worker, WorkerLostError

logger = logging.getLogger("service.workers.watchdog")

CHECK_INTERVAL_S = 1.0
"""Seconds between checks of a worker."""
MAX_STOPPED_CHECKS = 2
"""Checks in a row that find a process stopped, after which it is killed: one may go on again."""
PING_INTERVAL_S = 5.0
"""Seconds between pings of an idle worker."""
PING_TIMEOUT_S = 15.0
"""Seconds in which a worker answers, however busy the machine is."""


async def monitor(worker: Worker) -> None:
    """Return when a worker is lost, and kill it where it does nothing.

    It is marked as not answering from the first sign on. A call that is given to it all the same
    is given to another when it is killed.
    """
    health = _WorkerHealth(worker)
    try:
        while not await _lost_within(worker, CHECK_INTERVAL_S):
            reason = health.check()
            if reason:
                logger.error("A worker is killed: it %s.", reason, extra={"pid": worker.pid})
                worker.kill(hung=True)
    finally:
        health.end()


async def _lost_within(worker: Worker, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await worker.lost.wait()
    return worker.lost.is_set()


class _WorkerHealth:
    """The signs of life of one worker so far."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._stopped = 0
        self._asked_s = perf_counter()
        self._ping: asyncio.Task[None] | None = None

    def check(self) -> str:
        """Return why a worker is to be killed; empty where it is not."""
        self._stopped = self._stopped + 1 if is_stopped(self._worker.pid) else 0
        self._worker.answers = self._stopped == 0
        if self._stopped >= MAX_STOPPED_CHECKS:
            return "was stopped"
        sent_s = self._worker.sent_s
        if sent_s is not None and perf_counter() - sent_s > PING_TIMEOUT_S:
            return f"has not begun with its call for {PING_TIMEOUT_S:g} seconds"
        since_s = perf_counter() - self._asked_s
        if self._ping is not None and not self._ping.done():
            return (
                f"has not answered for {PING_TIMEOUT_S:g} seconds"
                if since_s > PING_TIMEOUT_S
                else ""
            )
        if not self._worker.busy and since_s > PING_INTERVAL_S:
            self._asked_s = perf_counter()
            self._ping = asyncio.create_task(self._answered())
        return ""

    def end(self) -> None:
        """Ask no more."""
        if self._ping is not None:
            self._ping.cancel()

    async def _answered(self) -> None:
        with contextlib.suppress(WorkerLostError):
            await self._worker.ping()


def is_stopped(pid: int | None) -> bool:
    """Whether a process was stopped by a signal; False where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # The name before it, in brackets, may hold anything.
    return status.rpartition(")")[2].split()[0] == "T"
