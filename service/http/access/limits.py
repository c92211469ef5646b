"""How often a key may call, and how many of its calls may be in flight."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]

ROUNDING = 1e-9
"""Part of a token by which sums of many small waits may fall short of a whole one."""
CONCURRENCY_WAIT_S = 1.0
"""Nobody knows when calls in flight end."""


class TokenBucket:
    """Lets through at most `burst + rate * seconds` calls in any `seconds`.

    Parameters
    ----------
    rate
        Tokens that come back in a second [1/s].
    burst
        Tokens that it holds; it begins full.
    clock
        A monotonic clock [s].

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


class KeyLimits:
    """Rate and concurrency of one key.

    Attributes
    ----------
    calls
        Calls that have been let in and have not ended.
    plans
        Asynchronous plans whose calls have ended.
    """

    def __init__(
        self, bucket: TokenBucket | None = None, max_concurrent: int | None = None
    ) -> None:
        self._bucket = bucket
        self._max_concurrent = max_concurrent
        self.calls = 0
        self.plans = 0

    def enter(self, *, ignore_plans: bool = False) -> float:
        """Let a call in and return 0, or return the seconds to wait; `leave` when it has ended.

        Parameters
        ----------
        ignore_plans
            Whether the call reads what there is, or ends it: asynchronous plans, if they
            counted, would keep their owner from reading or ending them.
        """
        in_flight = self.calls if ignore_plans else self.calls + self.plans
        if self._max_concurrent is not None and in_flight >= self._max_concurrent:
            return CONCURRENCY_WAIT_S
        wait = 0.0 if self._bucket is None else self._bucket.take()
        if wait == 0.0:
            self.calls += 1
        return wait

    def leave(self) -> None:
        """Count a call that has ended."""
        self.calls -= 1

    def change(
        self,
        rate: float | None,
        burst: int | None,
        max_concurrent: int | None,
        clock: Clock = time.monotonic,
    ) -> None:
        """Take other limits, without a present of tokens; calls in flight go on to count."""
        self._max_concurrent = max_concurrent
        if rate is None or burst is None:
            self._bucket = None
        elif self._bucket is None:
            self._bucket = TokenBucket(rate, burst, clock)
        else:
            self._bucket = self._bucket.changed(rate, burst)


class Permit:
    """One call's share of a key's concurrency, which an asynchronous plan may take over."""

    def __init__(self, limits: KeyLimits) -> None:
        self._limits = limits
        self._called, self._planned = True, False

    def hold(self) -> None:
        """Keep it beyond the end of the call, until `release`."""
        self._planned = True

    def release(self) -> None:
        """Keep it no longer than the call."""
        if self._planned and not self._called:
            self._limits.plans -= 1
        self._planned = False

    def leave(self) -> None:
        """End the call."""
        self._called = False
        self._limits.leave()
        if self._planned:
            self._limits.plans += 1
