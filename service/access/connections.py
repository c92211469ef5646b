"""Connections that say what they want in time.

uvicorn closes a connection that is silent *after* an answer. It waits for ever for the first call,
for the rest of a header, and for the rest of a body that was refused; it takes headers of any
length, and any number of connections.

With TLS, a connection is made when its handshake is done. uvicorn has no setting for how long that
may take: it is what the event loop's makers chose, 60 s.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEADER_BYTES = 16 * 1024


class TimedProtocol(HttpToolsProtocol):
    """HTTP/1.1 that closes a connection on which no call begins in time, or that is one too many.

    `limited` makes a class of it with limits of its own.
    """

    header_s: ClassVar[float] = 10.0
    most: ClassVar[int] = 800
    _waiting: asyncio.TimerHandle | None = None
    _unread: int = 0

    @classmethod
    def limited(cls, header_s: float, most: int) -> type[TimedProtocol]:
        """Return the protocol with these limits.

        Parameters
        ----------
        header_s
            Until the header of a call is whole [s].
        most
            Connections at once.
        """
        return type("LimitedProtocol", (cls,), {"header_s": header_s, "most": most})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a call."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Go on waiting, unless a call is there now."""
        if self._waiting is None and self._idle():
            self._wait()
        super().data_received(data)
        if not self._idle():
            self._stop_waiting()
            self._unread = 0
            return
        self._unread += len(data)
        if self._unread > MOST_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("The header is too long.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_waiting()
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
