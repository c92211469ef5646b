"""Servers in the planner's place that answer wrongly, each in its manner."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Self

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Manner = Callable[[Reader, Writer], Awaitable[None]]
PLACEMENT = {"llm": "qwen3-8b", "pool": "h100", "name": "nobody"}


async def hung(reader: Reader, writer: Writer) -> None:
    """Accept, read, and never answer."""
    while await reader.read(65_536):
        pass


async def slow_drip(reader: Reader, writer: Writer) -> None:
    """Send the headers, then a byte each 10 ms."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_head(200, 100_000))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


def answering(status: int, body: bytes) -> Manner:
    """Return the manner of one who answers each call with the same, and hangs up."""

    async def answer(reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].split()
        await reader.readexactly(int(length[0]) if length else 0)
        writer.write(_head(status, len(body)) + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return answer


def in_turn(manners: Sequence[Manner]) -> Manner:
    """Return one manner of several, another for each connection."""
    following = itertools.cycle(manners)

    async def treat(reader: Reader, writer: Writer) -> None:
        await next(following)(reader, writer)

    return treat


GARBAGE: dict[str, Manner] = {
    "no JSON": answering(200, b"<html>hello</html>"),
    "JSON of another shape": answering(200, b'[{"placement": 7}]'),
    "a name that nobody has": answering(
        200, json.dumps({"decision_id": "1", "placement": PLACEMENT}).encode()
    ),
    "null": answering(200, b"null"),
    "status 500": answering(500, b"{}"),
    "10 MB": answering(200, b" " * 10_000_000 + b"{}"),
}


def _head(status: int, length: int) -> bytes:
    lines = (
        f"HTTP/1.1 {status} Any",
        "content-type: application/json",
        f"content-length: {length}",
        "connection: close",
    )
    return "\r\n".join([*lines, "", ""]).encode()


class BrokenPlanner:
    """Listens on a port from entry to exit, and treats connections in a manner.

    Attributes
    ----------
    connections
        That there have been.
    """

    def __init__(self, port: int, manner: Manner) -> None:
        self._port, self._manner = port, manner
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        listening = asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._server = self._loop.run_until_complete(listening)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _cut(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._treat(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _treat(self, reader: Reader, writer: Writer) -> None:
        with suppress(OSError, EOFError, asyncio.CancelledError):
            await self._manner(reader, writer)
        writer.transport.abort()
