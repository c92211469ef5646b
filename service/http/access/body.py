"""Bodies that come in time and in bounds, or are refused."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import Message, Receive

from service.problems import Problem, ProblemError


@dataclass(frozen=True)
class BodyLimits:
    """What a body may take.

    Attributes
    ----------
    silence_s
        Longest wait for its next bytes [s].
    whole_s
        From the first wait to its last byte [s].
    max_bytes
        Its size.
    """

    silence_s: float
    whole_s: float
    max_bytes: int


class Body:
    """What a call is received by: raises the refusal of a body that is late or too large.

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
        """Return the next message.

        Raises
        ------
        ProblemError
            408 or 413.
        """
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
        limit = self._limits.whole_s if whole else self._limits.silence_s
        detail = (
            f"Expected the whole body within {limit:g} s."
            if whole
            else f"Expected more of the body within {limit:g} s."
        )
        return ProblemError(Problem("body-timeout", detail, headers={"Connection": "close"}))
