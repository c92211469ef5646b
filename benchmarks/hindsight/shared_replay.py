"""An hour of traffic on devices that requests share: every policy by the same rules.

With `k` requests in flight on a device, each goes on at the pace, and takes joules at the rate,
that its cost model has for concurrency `k`; whenever one comes or goes, both change for all that
are there. So a request's joules and runtime are those of the concurrencies that it met, weighted by
how much of it was done at each.

Each pool keeps one LLM loaded. A request goes to the device with the fewest in flight; where all
have as many as the largest concurrency of the pool, it waits, first come first served.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.hindsight.replay import Choose, Hour, HourOutcome
from costmodel.arrays import FloatArray, IntArray
from costmodel.bases import BASES, TokenTerms
from costmodel.cost_model import CostModel
from service.calls.fleet.placements import Candidates

Ended = Callable[[int, int, float, float], None]


class SharedCosts:
    """Joules and device-seconds of requests at every concurrency that a device may have.

    Parameters
    ----------
    cost_model
        Cost model of the LLM on the device.
    hour
        Whose requests they are; its noise multiplies both.
    most
        Largest concurrency.
    """

    def __init__(self, cost_model: CostModel, hour: Hour, maximum: int) -> None:
        basis = BASES[cost_model.basis]
        names = sorted({name for name, _ in basis.factors})
        terms = TokenTerms(hour.input_tokens.astype(float), hour.output_tokens.astype(float))
        self._terms = np.stack([terms[name] for name in names], axis=1) * hour.noise[:, None]
        self._weights = np.zeros((maximum + 1, len(names), 2))
        both = (cost_model.energy_coefficients, cost_model.device_seconds_coefficients)
        for concurrency in range(1, maximum + 1):
            for column, coefficients in enumerate(both):
                found = basis.weights(coefficients, float(concurrency))
                values = [found.get(name, 0.0) for name in names]
                self._weights[concurrency, :, column] = values

    def of(self, members: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return joules and runtimes [s] of requests that share a device, each shape (k,)."""
        k = len(members)
        found = self._terms[members] @ self._weights[k]
        return found[:, 0], found[:, 1] * k


@dataclass
class SharedDevice:
    """One device and the requests in flight on it.

    Attributes
    ----------
    members, done, energy_j
        Requests in flight, how much of each is done (0 to 1) and the joules of that.
    since_s
        Until when they are followed.
    end_s, version
        When the next of them ends if none comes before, and the number of that forecast.
    busy_s, in_flight_s
        Seconds with any in flight, and these times their number.
    """

    costs: SharedCosts
    members: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    done: FloatArray = field(default_factory=lambda: np.zeros(0))
    energy_j: FloatArray = field(default_factory=lambda: np.zeros(0))
    since_s: float = 0.0
    end_s: float = np.inf
    version: int = 0
    busy_s: float = 0.0
    in_flight_s: float = 0.0

    def come(self, index: int, now: float) -> None:
        """Take in a request."""
        self._follow_to(now)
        self.members = np.append(self.members, index)
        self.done = np.append(self.done, 0.0)
        self.energy_j = np.append(self.energy_j, 0.0)
        self._look_ahead()

    def go(self) -> tuple[int, float]:
        """Let the request go that ends next; return it and its joules."""
        self._follow_to(self.end_s)
        place = int(np.argmax(self.done))
        index, joules = int(self.members[place]), float(self.energy_j[place])
        self.members = np.delete(self.members, place)
        self.done = np.delete(self.done, place)
        self.energy_j = np.delete(self.energy_j, place)
        self._look_ahead()
        return index, joules

    def _follow_to(self, now: float) -> None:
        if len(self.members):
            share = (now - self.since_s) / self._runtime_s
            self.done = self.done + share
            self.energy_j = self.energy_j + share * self._whole_j
            self.busy_s += now - self.since_s
            self.in_flight_s += (now - self.since_s) * len(self.members)
        self.since_s = now

    def _look_ahead(self) -> None:
        self.version += 1
        self.end_s = np.inf
        if len(self.members):
            self._whole_j, self._runtime_s = self.costs.of(self.members)
            rest_s = (1.0 - self.done) * self._runtime_s
            self.end_s = self.since_s + max(0.0, float(rest_s.min()))


class SharedReplay:
    """An hour on a fleet whose devices are shared.

    Parameters
    ----------
    fleet
        A fleet of pools with one loaded LLM each; its placements differ in concurrency only.
    hour
        What arrives.
    horizon_s
        Until which idle devices are charged, unless the last request ends later.
    """

    def __init__(self, fleet: Candidates, hour: Hour, horizon_s: float) -> None:
        self._fleet, self._hour, self._horizon_s = fleet, hour, horizon_s
        self._maximum = [0] * len(fleet.pools)
        models: list[CostModel | None] = [None] * len(fleet.pools)
        for one in fleet.placements:
            if models[one.pool] not in (None, one.cost_model):
                msg = f"Expected one LLM on {fleet.pools[one.pool].name}, got {one.llm} too."
                raise ValueError(msg)
            models[one.pool] = one.cost_model
            self._maximum[one.pool] = max(self._maximum[one.pool], one.concurrency)
        self._costs = [
            SharedCosts(model, hour, maximum)
            for model, maximum in zip(models, self._maximum, strict=True)
            if model is not None
        ]

    def run(self, choose: Choose, ended: Ended = lambda *_: None) -> HourOutcome:
        """Let a policy decide each request as it comes; see `Replay.run`."""
        hour, run = self._hour, _ReplayRun(self._fleet, self._costs, self._maximum, ended)
        for index, now in enumerate(hour.arrival_s.tolist()):
            run.until(now)
            run.begin(index, choose(index, now), now)
        run.until(np.inf)
        return self._outcome(run)

    def _outcome(self, run: _ReplayRun) -> HourOutcome:
        hour, fleet = self._hour, self._fleet
        placement = np.array([run.placed[index] for index in range(len(hour))])
        end_s = np.array([run.end_s[index] for index in range(len(hour))])
        last_s = float(end_s.max())
        devices = [device for pool in run.devices for device in pool]
        busy_s = [sum(device.busy_s for device in pool) for pool in run.devices]
        idle_j = sum(
            pool.always_on_watts * (pool.count * max(last_s, self._horizon_s) - busy)
            for pool, busy in zip(fleet.pools, busy_s, strict=True)
        )
        tokens = (hour.input_tokens + hour.output_tokens).astype(float)
        quality = np.array([one.quality for one in fleet.placements], dtype=float)[placement]
        return HourOutcome(
            requests_j=sum(run.energy_j.values()),
            loading_j=0.0,
            idle_j=idle_j,
            missed=float((end_s > hour.arrival_s + hour.deadline_s).mean()),
            mean_quality=float(tokens @ quality / tokens.sum()),
            ended_s=last_s,
            placement=placement,
            in_flight=sum(device.in_flight_s for device in devices) / sum(busy_s),
        )


class _ReplayRun:
    """The devices and queues of one replay, in time."""

    def __init__(
        self, fleet: Candidates, costs: list[SharedCosts], maximum: list[int], ended: Ended
    ) -> None:
        self._pool_of = [one.pool for one in fleet.placements]
        self._maximum, self._ended = maximum, ended
        self.devices = [
            [SharedDevice(cost) for _ in range(pool.count)]
            for pool, cost in zip(fleet.pools, costs, strict=True)
        ]
        self._queues: list[deque[int]] = [deque() for _ in fleet.pools]
        self._ends: list[tuple[float, int, int, int]] = []
        self._begun: dict[int, float] = {}
        self.placed: dict[int, int] = {}
        self.end_s: dict[int, float] = {}
        self.energy_j: dict[int, float] = {}

    def begin(self, index: int, column: int, now: float) -> None:
        """Send a request to the pool of a placement."""
        self.placed[index] = column
        self._queues[self._pool_of[column]].append(index)
        self._serve(self._pool_of[column], now)

    def until(self, now: float) -> None:
        """Let everything end that ends until then."""
        while self._ends and self._ends[0][0] <= now:
            at, pool, number, version = heapq.heappop(self._ends)
            device = self.devices[pool][number]
            if device.version != version:
                continue
            index, joules = device.go()
            self.end_s[index], self.energy_j[index] = at, joules
            self._expect(pool, number)
            self._ended(index, self.placed[index], joules, at - self._begun[index])
            self._serve(pool, at)

    def _serve(self, pool: int, now: float) -> None:
        devices, queue = self.devices[pool], self._queues[pool]
        while queue:
            number = min(range(len(devices)), key=lambda one: len(devices[one].members))
            if len(devices[number].members) >= self._maximum[pool]:
                return
            index = queue.popleft()
            self._begun[index] = now
            devices[number].come(index, now)
            self._expect(pool, number)

    def _expect(self, pool: int, number: int) -> None:
        device = self.devices[pool][number]
        if len(device.members):
            heapq.heappush(self._ends, (device.end_s, pool, number, device.version))
