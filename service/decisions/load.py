"""The present load of each pool, as far as decisions and actuals tell."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field


@dataclass
class PoolLoad:
    """Decisions in flight on one pool.

    Attributes
    ----------
    backlog_s
        Device-seconds of the decisions that are taken to be there still.
    in_flight
        Their number.
    """

    backlog_s: float = 0.0
    in_flight: int = 0
    _expected: list[tuple[float, str]] = field(default_factory=list)
    _open: dict[str, tuple[float, float]] = field(default_factory=dict)

    def enter(self, decision_id: str, device_seconds: float, gone_at: float) -> None:
        """Take in a decision that will be gone at a time, unless `leave` says so before."""
        self.leave(decision_id)
        heapq.heappush(self._expected, (gone_at, decision_id))
        self._open[decision_id] = gone_at, device_seconds
        self.backlog_s += device_seconds
        self.in_flight += 1

    def leave(self, decision_id: str) -> None:
        """Let a decision go; harmless for one that is gone."""
        known = self._open.pop(decision_id, None)
        if known is not None:
            self.in_flight -= 1
            # No rounding may leave a load on an empty pool.
            self.backlog_s = self.backlog_s - known[1] if self.in_flight else 0.0

    def let_go(self, now: float) -> None:
        """Let those go whose time has come."""
        while self._expected and self._expected[0][0] <= now:
            gone_at, decision_id = heapq.heappop(self._expected)
            # One that was decided again goes at its later time.
            if self._open.get(decision_id, (None,))[0] == gone_at:
                self.leave(decision_id)


class Loads:
    """Loads of all pools."""

    def __init__(self) -> None:
        self._pools: dict[str, PoolLoad] = {}

    def of(self, pool: str, now: float) -> PoolLoad:
        """Return a pool's load at a time (monotonic seconds)."""
        load = self._pools.get(pool)
        if load is None:
            load = self._pools[pool] = PoolLoad()
        load.let_go(now)
        return load

    def leave(self, decision_id: str, pool: str) -> None:
        """Let a decision go that has ended."""
        if pool in self._pools:
            self._pools[pool].leave(decision_id)
