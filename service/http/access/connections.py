"""Connections and bodies that arrive in time and in bounds, or are refused.

uvicorn closes a connection that is silent *after* an answer. It waits for ever for the first call,
for the rest of a header, and for the rest of a body that was refused; it takes headers and trailers
of any length, and any number of connections, of one peer or of many.

With TLS, a connection is made when its handshake is done. uvicorn has no setting for how long that
may take: it is what the event loop's makers chose, 60 s.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from starlette.types import Message, Receive
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.calls.messages import problem_body
from service.problems import MEDIA_TYPE, Problem, ProblemError

MAX_HEADER_BYTES = 16 * 1024
"""Largest size of a call's path, query and header fields together, and of its trailers."""
TOO_LONG = f"The header is too long: expected at most {MAX_HEADER_BYTES} bytes."
LOG_PERIOD_S = 1.0
_BETWEEN = 4
"""Bytes between and after the name and the value of a field."""

logger = logging.getLogger("service.connections")


class ClosedConnections:
    """Connections that were closed unheard, logged in one line a second at most."""

    def __init__(self) -> None:
        self._count = 0
        self._last = ""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, peer: str, limit: str, loop: asyncio.AbstractEventLoop) -> None:
        """Log a connection, now or together with those of the second."""
        self._count += 1
        self._last = f"{peer}: {limit}"
        if self._timer is None:
            self._log(loop)

    def _log(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._count:
            word = "connection" if self._count == 1 else "connections"
            logger.warning("Closed %d %s unheard, the last of %s.", self._count, word, self._last)
            self._count = 0
            self._timer = loop.call_later(LOG_PERIOD_S, self._log, loop)


class _TooLongError(Exception):
    """Ends the parsing of a call whose header is too long."""


class TimedProtocol(HttpToolsProtocol):
    """HTTP/1.1 that closes a connection on which no call begins in time, or that is one too many.

    `limited` makes a class of it with limits of its own.
    """

    header_s: ClassVar[float] = 10.0
    max_connections: ClassVar[int] = 800
    max_per_peer: ClassVar[int | None] = None
    peers: ClassVar[Counter[str]] = Counter()
    closed: ClassVar[ClosedConnections] = ClosedConnections()
    _waiting: asyncio.TimerHandle | None = None
    _unread: int = 0
    _header: int = 0
    _in_body: bool = False
    _peer: str = ""

    @classmethod
    def limited(
        cls, header_s: float, max_connections: int, max_per_peer: int | None = None
    ) -> type[TimedProtocol]:
        """Return the protocol with these limits.

        Parameters
        ----------
        header_s
            Time until the header of a call is whole [s].
        max_connections, max_per_peer
            Connections at once, and those of one address; None for as many.
        """
        limits: dict[str, object] = {
            "header_s": header_s,
            "max_connections": max_connections,
            "max_per_peer": max_per_peer,
            "peers": Counter(),
            "closed": ClosedConnections(),
        }
        return type("LimitedProtocol", (cls,), limits)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a call."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else "an unknown peer"
        self.peers[self._peer] += 1
        limit = self._broken_limit()
        if limit is None:
            self._wait()
        else:
            self.closed.add(self._peer, limit, self.loop)
            transport.abort()

    def _broken_limit(self) -> str | None:
        if len(self.connections) > self.max_connections:
            return f"expected at most {self.max_connections} at once"
        if self.max_per_peer is not None and self.peers[self._peer] > self.max_per_peer:
            return f"expected at most {self.max_per_peer} at once of one peer"
        return None

    def on_message_begin(self) -> None:
        """Begin to count the header of a call."""
        self._header = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a part of the path and the query."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a field of the header, or of the trailers."""
        self._count(len(name) + len(value) + _BETWEEN)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Take what follows for a body."""
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take what follows for another call."""
        self._in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a call that is no HTTP; say so where its header is too long."""
        if self._header <= MAX_HEADER_BYTES:
            self._refuse(msg)
        elif self.cycle is not None and self.cycle.response_started and not self._idle():
            # Trailers that are too long: another answer would stand in the middle of one.
            self.transport.abort()
        else:
            self._refuse(TOO_LONG)

    def _refuse(self, message: str) -> None:
        body = problem_body(Problem("malformed-request", message), "")
        head = (
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _count(self, size: int) -> None:
        self._header += size
        if self._header > MAX_HEADER_BYTES:
            raise _TooLongError

    def data_received(self, data: bytes) -> None:
        """Go on waiting, unless a call is there now."""
        if self._waiting is None and self._idle():
            self._wait()
        in_body = self._in_body
        super().data_received(data)
        if not self._idle():
            self._stop_waiting()
            self._unread = 0
            return
        # The rest of a body that was refused is dropped, its last bytes too, for as long as a
        # header may take.
        self._unread = 0 if in_body or self._in_body else self._unread + len(data)
        if self._unread > MAX_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response(TOO_LONG)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_waiting()
        self.peers[self._peer] -= 1
        if self.peers[self._peer] <= 0:
            del self.peers[self._peer]
        super().connection_lost(exc)

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(self.header_s, self._close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _close(self) -> None:
        if self._idle() and not self.transport.is_closing():
            self.transport.close()


@dataclass(frozen=True)
class BodyLimits:
    """What a body may take.

    Attributes
    ----------
    silence_s
        Longest wait for its next bytes [s].
    whole_s
        Longest time from the first wait to its last byte [s].
    max_bytes
        Largest size of a body [bytes].
    """

    silence_s: float
    whole_s: float
    max_bytes: int


class TimedBody:
    """ASGI's `receive` of a call, which refuses a body that is late or too large.

    Attributes
    ----------
    answered
        Set once an answer has begun: then nothing is refused, or hurried, any more.
    """

    __slots__ = ("_end", "_limits", "_receive", "_size", "answered")

    def __init__(self, receive: Receive, limits: BodyLimits) -> None:
        self._receive, self._limits = receive, limits
        self._end: float | None = None
        self._size = 0
        self.answered = False

    async def __call__(self) -> Message:
        """Return the next message; refuse a body that is late (408) or too large (413)."""
        if self.answered:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        if self._end is None:
            self._end = now + self._limits.whole_s
        try:
            async with asyncio.timeout_at(min(now + self._limits.silence_s, self._end)):
                message = await self._receive()
        except TimeoutError:
            raise self._late(whole=now + self._limits.silence_s > self._end) from None
        self._size += len(message.get("body", b""))
        if self._size > self._limits.max_bytes:
            detail = f"Expected a body of at most {self._limits.max_bytes} bytes."
            raise ProblemError(Problem("too-large", detail))
        # When all is here, what is still received is that the caller has left.
        self.answered = self.answered or not message.get("more_body", False)
        return message

    def _late(self, *, whole: bool) -> ProblemError:
        limit_s = self._limits.whole_s if whole else self._limits.silence_s
        part = "the whole body" if whole else "more of the body"
        detail = f"Expected {part} within {limit_s:g} s."
        return ProblemError(Problem("body-timeout", detail, headers={"Connection": "close"}))
