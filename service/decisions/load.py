"""The present load of each pool, as far as decisions and actuals show it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

MAX_IN_FLIGHT_S = 86_400.0
"""Longest time that a decision counts, whatever was predicted of it."""


class PoolLoad:
    """Decisions in flight on one pool, each until its predicted end unless it ends before."""

    def __init__(self) -> None:
        self._ends: list[tuple[float, str]] = []
        self._end_of: dict[str, tuple[float, int]] = {}

    @property
    def in_flight(self) -> int:
        """Number of answers that are taken to be under way still."""
        return len(self._ends)

    def enter(self, decision_id: str, now: float, ends_at: float, slots: int = 1) -> None:
        """Count a decision until the end that is predicted of it, or until it leaves."""
        self.leave(decision_id)
        ends_at = min(ends_at, now + MAX_IN_FLIGHT_S)
        at = bisect_left(self._ends, (ends_at, decision_id))
        self._ends[at:at] = slots * [(ends_at, decision_id)]
        self._end_of[decision_id] = ends_at, slots

    def leave(self, decision_id: str) -> None:
        """Count a decision no more; harmless for one that has left."""
        found = self._end_of.pop(decision_id, None)
        if found is not None:
            ends_at, slots = found
            at = bisect_left(self._ends, (ends_at, decision_id))
            del self._ends[at : at + slots]

    def expire(self, now: float) -> None:
        """Count those no more whose predicted end has come."""
        gone = bisect_right(self._ends, now, key=lambda end: end[0])
        for _, decision_id in self._ends[:gone]:
            self._end_of.pop(decision_id, None)
        del self._ends[:gone]

    def wait_s(self, slots: int, now: float, needed: int = 1) -> float:
        """Return the seconds until as many of the slots are free as are needed."""
        beyond = len(self._ends) - slots + needed - 1
        return 0.0 if beyond < 0 else self._ends[beyond][0] - now


class Loads:
    """The loads of all pools."""

    def __init__(self) -> None:
        self._pools: dict[str, PoolLoad] = {}

    def of(self, pool: str, now: float) -> PoolLoad:
        """Return a pool's load at a time (monotonic seconds)."""
        load = self._pools.get(pool)
        if load is None:
            load = self._pools[pool] = PoolLoad()
        load.expire(now)
        return load

    def leave(self, decision_id: str, pool: str) -> None:
        """Count a decision on a pool no more."""
        if pool in self._pools:
            self._pools[pool].leave(decision_id)
