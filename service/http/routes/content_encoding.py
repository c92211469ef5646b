"""Bodies that come compressed: inflated as they arrive, a piece at a time, up to a limit."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

from starlette.requests import Request

from service.problems import Problem, ProblemError

GZIP = frozenset({"gzip", "x-gzip"})
INFLATED_BYTES = 256 * 1024
"""Bytes that are inflated before the event loop has its turn: some milliseconds' worth."""
_AS_IT_IS = frozenset({"", "identity"})
_AS_GZIP = 31


def is_encoded(request: Request) -> bool:
    """Say whether a body comes in gzip; refuse any other encoding with 415."""
    given = ",".join(request.headers.getlist("content-encoding")).strip().lower()
    if given in _AS_IT_IS:
        return False
    if given not in GZIP:
        message = f"Expected Content-Encoding gzip or none, got {given!r:.100}."
        headers = {"Accept-Encoding": "gzip"}
        raise ProblemError(Problem("unsupported-media-type", message, headers=headers))
    return True


async def decoded(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """Yield the body of a request as it was before it was compressed.

    Beyond `max_bytes` nothing more is inflated, and what still arrives is dropped. A body that is
    not what its encoding says is refused with 400.
    """
    if not is_encoded(request):
        async for chunk in request.stream():
            yield chunk
        return
    size, inflater = 0, Inflater()
    async for chunk in request.stream():
        if size > max_bytes:
            continue
        inflater.feed(chunk)
        while size <= max_bytes and (piece := inflater.piece()):
            size += len(piece)
            yield piece
            await asyncio.sleep(0)
    if size <= max_bytes:
        inflater.end()


class Inflater:
    """Inflates gzip, of one member or of several, a piece at a time; refuses what is none."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=_AS_GZIP)
        self._waiting = b""
        self._begun = False

    def feed(self, chunk: bytes) -> None:
        """Take in bytes that arrived."""
        self._waiting += chunk

    def piece(self) -> bytes:
        """Return at most `INFLATED_BYTES` of the content; nothing where more must arrive."""
        while self._waiting or self._begun:
            if self._member.eof:
                self._waiting = self._member.unused_data + self._waiting
                self._member, self._begun = zlib.decompressobj(wbits=_AS_GZIP), False
                continue
            try:
                found = self._member.decompress(self._waiting, INFLATED_BYTES)
            except zlib.error as error:
                raise _malformed(f"it is damaged: {error}") from None
            self._begun, self._waiting = True, self._member.unconsumed_tail
            if found or not self._member.eof:
                return found
        return b""

    def end(self) -> None:
        """Refuse a body that ends before its last member does."""
        if not self._member.eof and (self._begun or self._waiting):
            raise _malformed("it ends before its end")


def _malformed(why: str) -> ProblemError:
    return ProblemError(Problem("malformed-encoding", f"Expected a body in gzip, but {why}."))
