"""The server of HTTP from its start to its end.

::

    SIGTERM -> not ready, serving -> no new calls, those in flight end -> the rest gets 503 -> end
               `drain_seconds`       `shutdown_seconds`

SIGINT comes from a terminal, behind which no load balancer has to be told: it does not drain. A
second signal ends both waits.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from threading import current_thread, main_thread
from time import monotonic
from types import FrameType

import uvicorn

from service.http.operations import OperationsServer
from service.settings.connections import ConnectionSettings
from service.stopping import Stopping

logger = logging.getLogger("service.server")

ENDING = (signal.SIGTERM, signal.SIGINT)
"""Signals that end the service in these steps."""

POLL_S = 0.02
CUT_S = 1.0
"""Time for what was cut off to be answered, and for that answer to leave [s]."""


class Server(uvicorn.Server):
    """The server of HTTP, which ends in the steps at the head of this module.

    Parameters
    ----------
    config
        What is served, and where.
    stopping
        Set as the service goes through these steps.
    interrupt
        Called at the beginning of the end.
    settings
        How long the steps may take.
    max_call_s
        How long a plan may take [s].
    operations
        The server of the operations port, which ends last; None where there is none.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        stopping: Stopping,
        interrupt: Callable[[], Awaitable[None]],
        settings: ConnectionSettings,
        max_call_s: float,
        operations: OperationsServer | None,
    ) -> None:
        super().__init__(config)
        self._stopping, self._interrupt = stopping, interrupt
        self._settings, self._max_call_s = settings, max_call_s
        self._operations = operations
        self._drained_at = 0.0
        self._drain_logged = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal: the first begins the end, any other hurries it."""
        if self.should_exit:
            self.force_exit = True
        else:
            super().handle_exit(sig, frame)
            self._stopping.begun = True
            drain_s = self._settings.drain_seconds if sig == signal.SIGTERM else 0.0
            self._drained_at = monotonic() + drain_s

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handle signals while the block runs; one before it ends the process, none is lost."""
        if current_thread() is not main_thread():
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        for number in ENDING:
            # It is raised once more after the block, which is no failure.
            signal.signal(number, _tell)
        with super().capture_signals():
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield

    async def on_tick(self, counter: int) -> bool:
        """Return whether to close: when told to stop, and drained."""
        if not await super().on_tick(counter):
            return False
        left_s = self._drained_at - monotonic()
        if left_s > 0 and not self._drain_logged:
            self._drain_logged = True
            logger.info("Told to stop: not ready, and serving for %g s more.", round(left_s, 1))
        return left_s <= 0 or self.force_exit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, operations first."""
        if self._operations is not None:
            self._operations.start()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End asynchronous plans, and with them the streams about them; then all calls."""
        self._stopping.begun = True
        await self._interrupt()
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        self._warn_of_short_grace()
        await self._wait_until_closed(self._settings.shutdown_seconds, may_hurry=True)
        await self._cut_off()
        await self.lifespan.shutdown()
        if self._operations is not None:
            await self._operations.stop()

    def _warn_of_short_grace(self) -> None:
        count, grace_s = len(self.server_state.tasks), self._settings.shutdown_seconds
        if count == 0 or grace_s >= self._max_call_s:
            return
        logger.warning(
            "Calls in flight: %d. They have %g s to end, JOULEPLAN_SHUTDOWN_SECONDS, and then get "
            "503; a plan may take %g s, JOULEPLAN_MAX_TIME_LIMIT_SECONDS.",
            count,
            grace_s,
            self._max_call_s,
        )

    async def _wait_until_closed(self, limit_s: float, *, may_hurry: bool) -> None:
        """Wait until all calls are answered, for so long at most, or until a second signal."""
        state, end = self.server_state, monotonic() + limit_s
        while (state.connections or state.tasks) and monotonic() < end:
            if may_hurry and self.force_exit:
                return
            await asyncio.sleep(POLL_S)

    async def _cut_off(self) -> None:
        """Answer what is still in flight, and close what does not take the answer."""
        state = self.server_state
        self._stopping.cutting = True
        if state.tasks:
            logger.error("Calls cut off, which get 503: %d.", len(state.tasks))
        for task in list(state.tasks):
            task.cancel()
        await self._wait_until_closed(CUT_S, may_hurry=False)
        for connection in list(state.connections):
            connection.transport.abort()


def _tell(number: int, _: FrameType | None) -> None:
    logging.getLogger("service").info("Stopped by signal %s.", signal.Signals(number).name)
