"""One dispatched schedule, worked through request by request."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

from planner.inputs import Placement
from planner.problem import PlacementProblem


class Slow:
    """One dispatched schedule, worked through in plain Python.

    Parameters
    ----------
    problem
        The problem with every limit.
    placement, device
        Placement and device of each request.
    """

    def __init__(
        self, problem: PlacementProblem, placement: Sequence[int], device: Sequence[int]
    ) -> None:
        self.problem, self.placement, self.device = problem, placement, device
        self.n = problem.n
        self.tin = problem.requests.workload.input_tokens.tolist()
        self.tout = problem.requests.workload.output_tokens.tolist()
        plan = problem.limits.deadline_s or math.inf
        self.due = [min(float(own), plan) for own in problem.requests.deadline_s]
        self.slot = [self.slot_s(i) for i in range(self.n)]
        self.underfill: defaultdict[int, float] = defaultdict(float)
        self.loading: defaultdict[int, float] = defaultdict(float)
        self.activation: defaultdict[int, float] = defaultdict(float)
        self.end = [0.0] * self.n
        self.busy: defaultdict[tuple[int, int], float] = defaultdict(float)
        self.last: defaultdict[tuple[int, int], float] = defaultdict(float)
        for pool, spec in enumerate(problem.pools):
            for d in range(spec.count):
                self.run_device(pool, d)

    def joules(self, i: int) -> float:
        """Energy of a request at the nominal concurrency [J]."""
        return float(self.problem.costs.energy_j[i, self.placement[i]])

    def slot_s(self, i: int) -> float:
        """Time for which a request holds its slot [s]."""
        batch = self.problem.placements[self.placement[i]].concurrency
        seconds: list[float] = self.problem.costs.device_seconds[:, self.placement[i]].tolist()
        if batch == 1:
            return seconds[i]
        mix = [j for j in range(self.n) if self.placement[j] == self.placement[i]]
        step = batch * sum(seconds[j] for j in mix) / sum(self.tout[j] for j in mix)
        return float(self.tout[i] * step)

    def blocks_of(self, pool: int, d: int) -> list[list[int]]:
        """Requests of each block of a device, in the order of the blocks."""
        here = [
            i
            for i in range(self.n)
            if self.problem.placements[self.placement[i]].pool == pool and self.device[i] == d
        ]
        blocks = [[i for i in here if self.placement[i] == k] for k in range(self.problem.k)]
        llms = self.problem.llms

        def order(block: list[int]) -> tuple[float, int, int]:
            k = self.placement[block[0]]
            earliest = min(self.due[i] for i in block)
            return earliest, llms.index(self.problem.placements[k].llm), k

        return sorted((block for block in blocks if block), key=order)

    def run_device(self, pool: int, d: int) -> None:
        """Work through the blocks of a device."""
        clock, loaded = 0.0, ""
        spec, blocks = self.problem.pools[pool], self.blocks_of(pool, d)
        if blocks:
            clock = spec.activation_s
            self.activation[pool] += spec.activation_j
        for block in blocks:
            where = self.problem.placements[self.placement[block[0]]]
            if where.llm not in spec.resident and loaded != where.llm:
                load_s, load_j = _load(where)
                clock += load_s
                self.busy[pool, d] += load_s
                self.loading[pool] += load_j
                loaded = where.llm
            length = self.run_block(block, where, clock)
            clock += length
            self.busy[pool, d] += length
        self.last[pool, d] = clock

    def run_block(self, block: list[int], where: Placement, clock: float) -> float:
        """Work through a block, and return how long it takes [s]."""
        slots = [0.0] * where.concurrency
        for i in sorted(block, key=lambda i: (self.due[i], -self.slot[i], i)):
            free = min(range(len(slots)), key=slots.__getitem__)
            slots[free] += self.slot[i]
            self.end[i] = clock + slots[free]
        length = max(slots)
        achieved = max(1.0, sum(self.slot[i] for i in block) / length)
        if achieved < where.concurrency:
            for i in block:
                at = where.cost_model.energy_j([self.tin[i]], [self.tout[i]], achieved)[0]
                self.underfill[where.pool] += float(at) - self.joules(i)
        return length

    def on_s(self, pool: int, d: int) -> float:
        """Time for which a device is on [s]."""
        if self.problem.pools[pool].power_policy == "power_down":
            return self.last[pool, d]
        horizon = self.problem.limits.horizon_s
        horizon = max(self.last.values()) if horizon is None else horizon
        return max(horizon, self.last[pool, d])

    def idle(self, pool: int) -> float:
        """Idle energy of a pool [J]."""
        spec = self.problem.pools[pool]
        if spec.power_policy == "power_down" or not spec.idle_watts:
            return 0.0
        return sum(
            spec.idle_watts * (self.on_s(pool, d) - self.busy[pool, d]) for d in range(spec.count)
        )

    def energy_of(self, pool: int) -> float:
        """Energy of a pool with all its parts [J]."""
        here = [
            self.joules(i)
            for i in range(self.n)
            if self.problem.placements[self.placement[i]].pool == pool
        ]
        extra = self.underfill[pool] + self.loading[pool] + self.activation[pool]
        return sum(here) + extra + self.idle(pool)

    def cost(self, unit: str) -> float:
        """Joules, grams or money of the whole plan."""
        total = 0.0
        for pool, spec in enumerate(self.problem.pools):
            energy = self.energy_of(pool)
            on = sum(self.on_s(pool, d) for d in range(spec.count))
            if unit == "energy":
                total += energy
            elif unit == "carbon":
                total += energy / 3.6e6 * (spec.carbon_g_per_kwh or 0.0)
            else:
                total += energy / 3.6e6 * (spec.price_per_kwh or 0.0)
                total += on / 3600 * (spec.price_per_device_hour or 0.0)
        return total

    def in_time(self) -> bool:
        """Whether all end in time, and while their pools are available."""
        available = [
            self.problem.pools[self.problem.placements[k].pool].available_s or math.inf
            for k in self.placement
        ]
        latest = [min(pair) for pair in zip(self.due, available, strict=True)]
        return all(end <= due * (1 + 1e-9) for end, due in zip(self.end, latest, strict=True))

    def counts_hold(self) -> bool:
        """Whether each LLM has its share and its least number of requests."""
        limits = self.problem.limits
        for llm in {*limits.shares, *limits.min_requests}:
            count = sum(self.problem.placements[k].llm == llm for k in self.placement)
            share = limits.shares.get(llm)
            if share:
                lower, upper = (Fraction(str(x)) * self.n for x in (share.min, share.max))
                if not math.floor(lower) <= count <= math.ceil(upper):
                    return False
            if count < limits.min_requests.get(llm, 0):
                return False
        return True


def _load(where: Placement) -> tuple[float, float]:
    """Seconds and joules of a load.

    Raises
    ------
    ValueError
        If the load was not measured: nothing may run there then.
    """
    seconds, joules = where.cost_model.load_s, where.cost_model.load_energy_j
    if seconds is None or joules is None:
        raise ValueError(f"Expected a measured load of {where.llm}, got none.")
    return seconds, joules
