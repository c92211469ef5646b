"""From joules of a pool's devices in an interval to joules of the requests that ran in it.

Of an interval's joules, the idle power of devices on which no request ran goes to nobody; the rest
goes to the requests that ran in it, by what was predicted of each and the part of its time that
lies in the interval. A request has its joules when the intervals that cover its time are in.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from service.decisions.records import ActualKey

RUNS_A_TURN = 1_000
"""Runs that are seen before others have a turn of the event loop: about a millisecond."""
MAX_RUNS = 50_000
"""Runs of one pool that wait for their joules; the oldest go without, and so do those that ran with
them: nobody gets what others have taken."""
MIN_COVERED = 0.98
"""Least part of a request's time that intervals must cover."""


@dataclass(slots=True)
class Run:
    """A request that ran between two Unix times [s], with the joules predicted for its tokens.

    Where its joules are known already, it is not unmetered, and takes its part of an interval's
    joules all the same.
    """

    key: ActualKey
    begun_at: float
    ended_at: float
    predicted_j: float
    unmetered: bool = True
    apportioned_j: float = 0.0
    covered_s: float = 0.0

    def overlap(self, begin: float, end: float) -> float:
        """Return the part of its time that lies between two times, 0 to 1."""
        inside = min(self.ended_at, end) - max(self.begun_at, begin)
        return max(0.0, inside) / (self.ended_at - self.begun_at)


@dataclass(frozen=True)
class PoolPower:
    """The devices of a pool, and the idle watts of one.

    Those are None where they were not measured: then idle joules are not left out.
    """

    devices: int
    idle_watts: float | None


@dataclass(frozen=True)
class Settled:
    """The joules of each request that has them all, and those of the settled intervals by pool."""

    energy_j: dict[ActualKey, float]
    metered_j: dict[str, float]
    apportioned_j: dict[str, float]


def busy_device_seconds(runs: Sequence[Run], begin: float, end: float, devices: int) -> float:
    """Return how long devices of a pool had a request between two times, added up over them [s].

    A device is busy from its first request on, however few share it; of several requests in flight,
    each is taken to be on a device of its own as long as there is one.

    Examples
    --------
    >>> times = {"a": (0.0, 4.0), "b": (2.0, 6.0), "c": (3.0, 9.0)}
    >>> runs = [Run(ActualKey(name), *ran, 1.0) for name, ran in times.items()]
    >>> [busy_device_seconds(runs, 0.0, 10.0, devices) for devices in (1, 2, 3)]
    [9.0, 13.0, 14.0]
    """
    begun = np.clip([run.begun_at for run in runs], begin, end)
    ended = np.clip([run.ended_at for run in runs], begin, end)
    times = np.concatenate((begun, ended))
    order = np.argsort(times, kind="stable")
    in_flight = np.cumsum(np.where(order < len(runs), 1, -1))
    return float(np.minimum(in_flight[:-1], devices) @ np.diff(times[order]))


class Apportioner:
    """Collects runs and intervals, in any order, and settles what is old enough.

    All on one event loop, which others have turns of while it settles.
    """

    def __init__(self, max_runs: int = MAX_RUNS) -> None:
        self._max_runs = max_runs
        self._runs: defaultdict[str, deque[Run]] = defaultdict(deque)
        self._dropped_until: defaultdict[str, float] = defaultdict(lambda: -inf)
        self._intervals: defaultdict[str, deque[tuple[float, float, float]]] = defaultdict(deque)

    def add_run(self, pool: str, run: Run) -> None:
        """Add a request that ran; one that took no time is left out."""
        if run.ended_at <= run.begun_at or run.predicted_j <= 0.0:
            return
        runs = self._runs[pool]
        if len(runs) >= self._max_runs:
            dropped = runs.popleft()
            self._dropped_until[pool] = max(self._dropped_until[pool], dropped.ended_at)
        runs.append(run)

    def add_interval(self, pool: str, begin: float, end: float, energy_j: float) -> None:
        """Add the joules of a pool's devices between two times [Unix s]."""
        self._intervals[pool].append((begin, end, energy_j))

    async def settle(self, until: float, power: dict[str, PoolPower]) -> Settled:
        """Apportion the intervals that ended by a Unix time [s]; one call at a time.

        What ran in them is known by now: a run that is added while this settles is too late for
        what is settled. Requests that ran on after that time get the rest later.
        """
        settled = Settled({}, {}, {})
        for pool, intervals in list(self._intervals.items()):
            # What comes or is dropped meanwhile changes nothing of what is settled.
            runs, reached = list(self._runs[pool]), None
            while intervals and intervals[0][1] <= until:
                begin, end, energy_j = intervals.popleft()
                given_j = 0.0
                if begin >= self._dropped_until[pool]:
                    given_j = await _share_out(runs, begin, end, energy_j, power.get(pool))
                settled.metered_j[pool] = settled.metered_j.get(pool, 0.0) + energy_j
                settled.apportioned_j[pool] = settled.apportioned_j.get(pool, 0.0) + given_j
                reached = end
            if reached is not None:
                settled.energy_j.update(await _finished(runs, reached))
                self._let_go(pool, reached)
        return settled

    def _let_go(self, pool: str, reached: float) -> None:
        """Forget what has ended by then."""
        self._runs[pool] = deque(run for run in self._runs[pool] if run.ended_at > reached)


async def _share_out(
    runs: Sequence[Run], begin: float, end: float, energy_j: float, power: PoolPower | None
) -> float:
    inside, total = [], 0.0
    async for some in _in_turns(runs):
        for run in some:
            if run.begun_at < end and run.ended_at > begin:
                inside.append(run)
                total += run.overlap(begin, end) * run.predicted_j
    if total <= 0.0:
        return 0.0
    if power is not None and power.idle_watts is not None:
        # Tens of milliseconds for the most runs: a thread lets the event loop in between.
        busy_s = await asyncio.to_thread(busy_device_seconds, inside, begin, end, power.devices)
        idle_s = max(0.0, power.devices * (end - begin) - busy_s)
        energy_j = max(0.0, energy_j - power.idle_watts * idle_s)
    async for some in _in_turns(inside):
        for run in some:
            part = run.overlap(begin, end)
            run.apportioned_j += energy_j * part * run.predicted_j / total
            run.covered_s += part * (run.ended_at - run.begun_at)
    return energy_j


async def _finished(runs: Sequence[Run], reached: float) -> dict[ActualKey, float]:
    """Return the joules of those that have ended by then and were covered."""
    return {
        run.key: run.apportioned_j
        async for some in _in_turns(runs)
        for run in some
        if run.ended_at <= reached
        and run.unmetered
        and run.covered_s >= MIN_COVERED * (run.ended_at - run.begun_at)
    }


async def _in_turns(runs: Sequence[Run]) -> AsyncIterator[Sequence[Run]]:
    """Give the runs part by part, with a turn of the event loop between."""
    for start in range(0, len(runs), RUNS_A_TURN):
        if start:
            await asyncio.sleep(0)
        yield runs[start : start + RUNS_A_TURN]
