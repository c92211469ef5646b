"""How often a key may call, and how many of its calls may be in flight."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]

#: Of a token: sums of many small waits fall short of a whole one by less.
ROUNDING = 1e-9
#: Of calls in flight nobody knows when they end.
CONCURRENCY_WAIT_S = 1.0


class TokenBucket:
    """Lets through at most `burst + rate * seconds` calls in any `seconds`.

    Parameters
    ----------
    rate
        Tokens that come back in a second.
    burst
        Tokens that it holds; it begins full.
    clock
        Seconds since whenever, never running back.

    Examples
    --------
    >>> now = [0.0]
    >>> bucket = TokenBucket(2.0, 1, lambda: now[0])
    >>> bucket.take(), bucket.take()
    (0.0, 0.5)
    >>> now[0] = 0.5
    >>> bucket.take()
    0.0
    """

    def __init__(self, rate: float, burst: int, clock: Clock = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens = float(burst)
        self._at = clock()

    def take(self) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        self._refill()
        if self._tokens >= 1.0 - ROUNDING:
            self._tokens = max(0.0, self._tokens - 1.0)
            return 0.0
        return (1.0 - self._tokens) / self._rate

    def changed(self, rate: float, burst: int) -> TokenBucket:
        """Return one of other limits that holds no more tokens than this one does."""
        self._refill()
        other = TokenBucket(rate, burst, self._clock)
        other._tokens = min(other._tokens, self._tokens)
        return other

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now


class Limits:
    """Rate and concurrency of one key.

    Attributes
    ----------
    in_flight
        Calls that have been let in and have not ended.
    """

    def __init__(
        self, bucket: TokenBucket | None = None, max_concurrent: int | None = None
    ) -> None:
        self._bucket = bucket
        self._most = max_concurrent
        self.in_flight = 0

    def enter(self) -> float:
        """Let a call in and return 0, or return the seconds to wait; `leave` when it has ended."""
        if self._most is not None and self.in_flight >= self._most:
            return CONCURRENCY_WAIT_S
        wait = 0.0 if self._bucket is None else self._bucket.take()
        if wait == 0.0:
            self.in_flight += 1
        return wait

    def leave(self) -> None:
        """Give the place of a call back."""
        self.in_flight -= 1

    def change(
        self,
        rate: float | None,
        burst: int | None,
        max_concurrent: int | None,
        clock: Clock = time.monotonic,
    ) -> None:
        """Take other limits, without a present of tokens; calls in flight go on to count."""
        self._most = max_concurrent
        if rate is None or burst is None:
            self._bucket = None
        elif self._bucket is None:
            self._bucket = TokenBucket(rate, burst, clock)
        else:
            self._bucket = self._bucket.changed(rate, burst)
