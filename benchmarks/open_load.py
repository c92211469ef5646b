"""HTTP load from a process of its own: requests at given times, or one after the other.

A client of asyncio's bare protocols, so that it takes less time than what it measures. Latency
counts from when a request was due, so that a server that stalls is not excused.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

CONNECTIONS = 16
SPIN_S = 0.003


@dataclass
class Figures:
    """What came back.

    Attributes
    ----------
    seconds
        Latency of each answer with status 200.
    refused
        Answers with another status, by it; 0 for a connection that broke.
    took_s
        The whole.
    """

    seconds: list[float] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)
    took_s: float = 0.0

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.took_s


class LoadConnection(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        self._transport = cast(asyncio.Transport, transport)

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> int:
        """Send a request; return the status of its answer, 0 where the connection broke."""
        if self._transport is None or self._transport.is_closing():
            return 0
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lower = head.lower()
        start = lower.find(b"content-length:")
        length = int(lower[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._settle(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go who waits."""
        del exc
        self._transport = None
        self._settle(0)

    def _settle(self, status: int) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(status)


class Line:
    """A connection that is made when it is needed, and anew where it broke.

    Parameters
    ----------
    port
        Port on the loopback address.
    answer_s
        How long to wait for an answer; None for as long as it takes.
    """

    def __init__(self, port: int, answer_s: float | None = None) -> None:
        self._port, self._answer_s = port, answer_s
        self._connection: LoadConnection | None = None

    async def ask(self, request: bytes) -> int:
        """Send a request; return the status of its answer, 0 where there was none."""
        try:
            async with asyncio.timeout(self._answer_s):
                if self._connection is None or not self._connection.is_open:
                    self._connection = await self._made()
                status = await self._connection.ask(request)
        except OSError:
            # One without a connection, or without an answer in time: TimeoutError is one of these.
            status = 0
        if status == 0:
            # What comes late is no answer to the next request.
            self.close()
        return status

    def close(self) -> None:
        """Close the connection, where there is one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    async def _made(self) -> LoadConnection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(LoadConnection, "127.0.0.1", self._port)
        return connection


def post(url: str, body: bytes, headers: str = "") -> bytes:
    """Return the bytes of a POST."""
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        f"{headers}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def load(
    port: int, requests: Sequence[bytes], per_s: float | None, connections: int = CONNECTIONS
) -> Figures:
    """Send requests and return what came back.

    Parameters
    ----------
    port
        Port on the loopback address.
    requests
        Requests as bytes.
    per_s
        Requests that are due each second; None for each connection's next when its last is back.
    connections
        Kept; one that broke is made anew.
    """
    figures, queue = Figures(), asyncio.Queue[tuple[float, bytes]]()
    began = perf_counter()

    async def serve() -> None:
        line = Line(port)
        while True:
            due, request = await queue.get()
            if per_s is None:
                due = perf_counter()
            status = await line.ask(request)
            if status == 200:
                figures.seconds.append(perf_counter() - due)
            else:
                figures.refused[status] = figures.refused.get(status, 0) + 1
            queue.task_done()

    servers = [asyncio.create_task(serve()) for _ in range(connections)]
    for index, request in enumerate(requests):
        due = began if per_s is None else began + index / per_s
        # The loop's own timers are late by a millisecond or two: the last ones are waited out.
        if due - perf_counter() > SPIN_S:
            await asyncio.sleep(due - perf_counter() - SPIN_S)
        while perf_counter() < due:
            await asyncio.sleep(0)
        queue.put_nowait((due, request))
    await queue.join()
    figures.took_s = perf_counter() - began
    for one in servers:
        one.cancel()
    return figures


def load_from_a_process(
    port: int, requests: Sequence[bytes], per_s: float | None, connections: int = CONNECTIONS
) -> Figures:
    """Do `load` in a process of its own."""
    return _in_a_process(_run, (port, requests, per_s, connections))


def _run(port: int, requests: Sequence[bytes], per_s: float | None, connections: int) -> Figures:
    return asyncio.run(load(port, requests, per_s, connections))


def _in_a_process(work: Callable[..., Figures], arguments: tuple[object, ...]) -> Figures:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)
