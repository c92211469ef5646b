"""An hour of traffic on a simulated fleet: every policy by the same rules.

Each pool has one queue, first come first served, and its devices serve one request at a time (the
cost models of the paper's fleet have one in flight). A request goes to a free device that has its
LLM loaded, else to one that has none, else to one that has another, and pays the load. Devices are
on all the hour: idle ones draw their idle watts.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from service.calls.fleet.placements import Candidates

Choose = Callable[[int, float], int]
"""Takes a request's index and the time [s], and returns its placement."""


@dataclass(frozen=True)
class Hour:
    """What arrives.

    Attributes
    ----------
    arrival_s, input_tokens, output_tokens
        Arrival and tokens of each request, in order of arrival.
    deadline_s
        Seconds that a request may take from its arrival.
    noise
        Factor of each request's runtime and joules.
    """

    arrival_s: FloatArray
    input_tokens: IntArray
    output_tokens: IntArray
    deadline_s: float
    noise: FloatArray

    def __len__(self) -> int:
        """Count the requests."""
        return len(self.arrival_s)


@dataclass
class Device:
    """One device.

    Attributes
    ----------
    llm
        That is loaded; empty for none.
    busy_s
        Seconds that it served or loaded.
    """

    llm: str = ""
    busy_s: float = 0.0


@dataclass
class PoolState:
    """A pool's devices and queue."""

    free: list[Device]
    queue: deque[tuple[int, int]] = field(default_factory=deque)

    def take(self, llm: str) -> Device:
        """Return a free device, the one that has the LLM if any."""
        best = min(self.free, key=lambda one: (one.llm != llm, one.llm != ""))
        self.free.remove(best)
        return best


@dataclass(frozen=True)
class HourOutcome:
    """What an hour took.

    Attributes
    ----------
    requests_j, loading_j, idle_j
        Joules.
    missed
        Share of the requests that ended after their deadline.
    mean_quality
        Weighted by tokens.
    ended_s
        When the last request ended.
    placement
        Placement of each request.
    in_flight
        Mean number on a device while there is any; 1 where each serves one at a time.
    """

    requests_j: float
    loading_j: float
    idle_j: float
    missed: float
    mean_quality: float
    ended_s: float
    placement: IntArray
    in_flight: float = 1.0

    @property
    def energy_j(self) -> float:
        """All of it."""
        return self.requests_j + self.loading_j + self.idle_j


class Replay:
    """An hour on a fleet.

    Parameters
    ----------
    fleet
        A fleet whose placements all have concurrency 1.
    hour
        What arrives.
    energy_j, runtime_s
        Predicted, shape (n, k).
    horizon_s
        Until which idle devices are charged, unless the last request ends later.
    """

    def __init__(
        self,
        fleet: Candidates,
        hour: Hour,
        energy_j: FloatArray,
        runtime_s: FloatArray,
        horizon_s: float,
    ) -> None:
        self._fleet, self._hour, self._horizon_s = fleet, hour, horizon_s
        self._energy_j = energy_j * hour.noise[:, None]
        self._runtime_s = runtime_s * hour.noise[:, None]

    def run(
        self, choose: Choose, ended: Callable[[int, int, float, float], None] = lambda *_: None
    ) -> HourOutcome:
        """Let a policy decide each request as it comes.

        Parameters
        ----------
        choose
            The policy.
        ended
            Told of each request that ended: its index, its placement, its joules and its runtime,
            waiting left out.
        """
        fleet, hour = self._fleet, self._hour
        pools = [PoolState([Device() for _ in range(pool.count)]) for pool in fleet.pools]
        running: list[tuple[float, int, int, Device]] = []
        placement = np.full(len(hour), -1, dtype=np.int64)
        end_s = np.zeros(len(hour))
        loading_j, busy_s = 0.0, [0.0] * len(pools)

        def start(index: int, column: int, now: float) -> None:
            nonlocal loading_j
            spot = fleet.placements[column]
            device = pools[spot.pool].take(spot.llm)
            seconds = float(self._runtime_s[index, column])
            if device.llm != spot.llm:
                loading_j += spot.cost_model.load_energy_j or 0.0
                seconds += spot.cost_model.load_s or 0.0
                device.llm = spot.llm
            busy_s[spot.pool] += seconds
            heapq.heappush(running, (now + seconds, index, column, device))

        def finish_until(now: float) -> None:
            while running and running[0][0] <= now:
                at, index, column, device = heapq.heappop(running)
                end_s[index] = at
                joules, seconds = self._energy_j[index, column], self._runtime_s[index, column]
                ended(index, column, float(joules), float(seconds))
                state = pools[fleet.placements[column].pool]
                state.free.append(device)
                if state.queue:
                    start(*state.queue.popleft(), at)

        for index, now in enumerate(hour.arrival_s.tolist()):
            finish_until(now)
            column = choose(index, now)
            placement[index] = column
            state = pools[fleet.placements[column].pool]
            if state.free:
                start(index, column, now)
            else:
                state.queue.append((index, column))
        finish_until(np.inf)
        late: BoolArray = end_s > hour.arrival_s + hour.deadline_s
        last_s = float(end_s.max())
        on_s = max(last_s, self._horizon_s)
        idle_j = sum(
            (pool.idle_watts or 0.0) * (pool.count * on_s - busy)
            for pool, busy in zip(fleet.pools, busy_s, strict=True)
        )
        tokens = (hour.input_tokens + hour.output_tokens).astype(float)
        quality = np.array([one.quality for one in fleet.placements], dtype=float)[placement]
        return HourOutcome(
            requests_j=float(self._energy_j[np.arange(len(hour)), placement].sum()),
            loading_j=loading_j,
            idle_j=idle_j,
            missed=float(late.mean()),
            mean_quality=float(tokens @ quality / tokens.sum()),
            ended_s=last_s,
            placement=placement,
        )
