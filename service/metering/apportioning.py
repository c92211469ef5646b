"""From joules of a pool's devices in an interval to joules of the requests that ran in it.

Of an interval's joules, the idle power of what no request occupied goes to nobody; the rest goes to
the requests that ran in it, by what was predicted of each and the part of its time that lies in the
interval. A request has its joules when the intervals that cover its time are in.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from math import inf

MOST_RUNS = 50_000
"""Of one pool, that wait for their joules; the oldest go without, and so do those that ran with
them: nobody gets what others have taken."""
COVERED = 0.98
"""Least part of a request's time that intervals must cover."""


@dataclass(slots=True)
class Run:
    """A request that ran.

    Attributes
    ----------
    id
        Of its actual.
    begun_at, ended_at
        Unix time [s].
    predicted_j, device_seconds
        For the tokens that came.
    wanted
        False where its joules are known already: it takes its part of the interval's all the same.
    """

    id: str
    begun_at: float
    ended_at: float
    predicted_j: float
    device_seconds: float
    wanted: bool = True
    got_j: float = 0.0
    covered_s: float = 0.0

    def overlap(self, begin: float, end: float) -> float:
        """Return the part of its time that lies between two times, 0 to 1."""
        inside = min(self.ended_at, end) - max(self.begun_at, begin)
        return max(0.0, inside) / (self.ended_at - self.begun_at)


@dataclass(frozen=True)
class PoolPower:
    """What an idle pool draws.

    Attributes
    ----------
    devices
        Of the pool.
    idle_watts
        Of one; None where it was not measured, and then idle joules are not told apart.
    """

    devices: int
    idle_watts: float | None


@dataclass(frozen=True)
class Settled:
    """What intervals have led to.

    Attributes
    ----------
    energy_j
        By the id of each request whose joules are all in.
    metered_j, apportioned_j
        By pool, of the intervals that were settled.
    """

    energy_j: dict[str, float]
    metered_j: dict[str, float]
    apportioned_j: dict[str, float]


class Apportioner:
    """Takes in runs and intervals, in any order, and settles what is old enough.

    Parameters
    ----------
    most_runs
        Of one pool.
    """

    def __init__(self, most_runs: int = MOST_RUNS) -> None:
        self._most_runs = most_runs
        self._runs: defaultdict[str, deque[Run]] = defaultdict(deque)
        self._dropped_until: defaultdict[str, float] = defaultdict(lambda: -inf)
        self._intervals: defaultdict[str, deque[tuple[float, float, float]]] = defaultdict(deque)

    def add_run(self, pool: str, run: Run) -> None:
        """Take in a request that ran; one that took no time is left out."""
        if run.ended_at <= run.begun_at or run.predicted_j <= 0.0:
            return
        runs = self._runs[pool]
        if len(runs) >= self._most_runs:
            dropped = runs.popleft()
            self._dropped_until[pool] = max(self._dropped_until[pool], dropped.ended_at)
        runs.append(run)

    def add_interval(self, pool: str, begin: float, end: float, energy_j: float) -> None:
        """Take in the joules of a pool's devices between two times [Unix s]."""
        self._intervals[pool].append((begin, end, energy_j))

    def settle(self, until: float, power: dict[str, PoolPower]) -> Settled:
        """Apportion the intervals that ended by a time.

        Parameters
        ----------
        until
            Unix time [s]: what ran in intervals before it has been told by now.
        power
            By pool of the fleet.

        Returns
        -------
        Settled
            Requests that ran on after `until` get the rest later.
        """
        settled = Settled({}, {}, {})
        for pool, intervals in self._intervals.items():
            reached = None
            while intervals and intervals[0][1] <= until:
                begin, end, energy_j = intervals.popleft()
                given_j = self._share_out(pool, begin, end, energy_j, power.get(pool))
                settled.metered_j[pool] = settled.metered_j.get(pool, 0.0) + energy_j
                settled.apportioned_j[pool] = settled.apportioned_j.get(pool, 0.0) + given_j
                reached = end
            if reached is not None:
                settled.energy_j.update(self._finished(pool, reached))
        return settled

    def _share_out(
        self, pool: str, begin: float, end: float, energy_j: float, power: PoolPower | None
    ) -> float:
        inside = [
            (run, run.overlap(begin, end))
            for run in self._runs[pool]
            if run.begun_at < end and run.ended_at > begin
        ]
        total = sum(part * run.predicted_j for run, part in inside)
        if total <= 0.0 or begin < self._dropped_until[pool]:
            return 0.0
        if power is not None and power.idle_watts is not None:
            busy_s = sum(part * run.device_seconds for run, part in inside)
            idle_s = max(0.0, power.devices * (end - begin) - busy_s)
            energy_j = max(0.0, energy_j - power.idle_watts * idle_s)
        for run, part in inside:
            run.got_j += energy_j * part * run.predicted_j / total
            run.covered_s += part * (run.ended_at - run.begun_at)
        return energy_j

    def _finished(self, pool: str, reached: float) -> dict[str, float]:
        """Let those go that have ended by then; return the joules of those that were covered."""
        ended = [run for run in self._runs[pool] if run.ended_at <= reached]
        open_ = [run for run in self._runs[pool] if run.ended_at > reached]
        self._runs[pool] = deque(open_)
        return {
            run.id: run.got_j
            for run in ended
            if run.wanted and run.covered_s >= COVERED * (run.ended_at - run.begun_at)
        }
