"""The variables beside the assignment: loads, devices, steps, seconds for which devices are on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from planner.bounds import pair_bounds
from planner.bounds.surrogate import RelaxationCosts
from planner.inputs import Unit
from planner.problem import PlacementProblem
from planner.quantities import Counted, DecodeSteps, DevicesOn, LlmLoads, Makespan, OnSeconds
from planner.schedule.violations import loosest
from planner.solvers.assignment_problem import Variable


class SideVariables:
    """What a plan decides beside the placements, with what it costs.

    `loads` has the placements that one load serves, by the variable that counts the loads;
    `activations` those of each pool whose devices cost something to switch on, by the variable that
    counts the devices.
    """

    def __init__(
        self,
        problem: PlacementProblem,
        costs: RelaxationCosts,
        allowed: BoolArray,
        min_slot_s: Callable[[], FloatArray],
    ) -> None:
        self._problem, self._costs = problem, costs
        self._allowed, self._min_slot_s = allowed, min_slot_s
        self.loads = self._load_columns()
        self.activations = self._activation_columns()

    def all_in(self, unit: Unit, weight: float) -> list[Variable]:
        """Return all variables, their costs in a unit, times a weight."""
        return [
            *self._loads(unit, weight),
            *self._devices(unit, weight),
            *self._steps(unit, weight),
            *self._on_seconds(unit, weight),
        ]

    def constant(self, unit: Unit) -> float:
        """Cost of being on until a given horizon, before what work saves of idling."""
        horizon, total = self._problem.limits.horizon_s, 0.0
        if horizon is not None:
            beyond = self.on_beyond_horizon()
            for index, price in enumerate(self._costs.of_idling(unit).tolist()):
                if index not in beyond:
                    total += horizon * self._problem.pools[index].count * price
        return total

    def of_pool(self, index: int) -> dict[Counted, float]:
        """Seconds of a pool's devices that one load of each of its LLMs takes, by variable."""
        return {
            loads: float(self._problem.load_s[columns[0]])
            for loads, columns in self.loads.items()
            if loads.pool == index
        }

    def on_beyond_horizon(self) -> list[int]:
        """Always-on pools whose work may end after a given horizon."""
        horizon = self._problem.limits.horizon_s
        return [
            index
            for index, pool in enumerate(self._problem.pools)
            if horizon is not None
            and pool.power_policy == "always_on"
            and horizon < self.pool_end_s(index)
            and self._idling_costs()[index]
        ]

    def on_until_makespan(self) -> bool:
        """Whether the makespan costs something: devices are on until then."""
        return self._problem.limits.horizon_s is None and bool(self._idling_costs().any())

    def _idling_costs(self) -> BoolArray:
        units = {"energy", self._problem.objective.minimise, *self._problem.limits.caps}
        return np.asarray(sum(self._costs.of_idling(unit) for unit in units)) > 0.0

    def pool_end_s(self, index: int) -> float:
        """Time by which everything on a pool must have ended [s]."""
        last = float(self._problem.deadlines.distinct_s[-1]) if self._problem.n else 0.0
        return loosest(min(last, self._problem.pools[index].end_s))

    def working_s(self, index: int, before_s: float = np.inf) -> float:
        """Seconds that a device of a pool has to load and serve by a time, switched on first."""
        return float(self.working_before_s(index, np.array(before_s)))

    def working_before_s(self, index: int, before_s: FloatArray) -> FloatArray:
        """Seconds that a device has to load and serve by each of some times [s], of their shape."""
        end = np.minimum(before_s, self.pool_end_s(index))
        return np.asarray(np.maximum(0.0, end - self._problem.pools[index].activation_s))

    @cached_property
    def makespan_range_s(self) -> tuple[float, float]:
        """Least makespan by the longest request alone, and one that every plan can keep [s]."""
        problem, min_slot_s = self._problem, self._min_slot_s()
        alone = np.full(problem.n, np.inf)
        for k in range(problem.k):
            earliest = problem.setup_s[k] + min_slot_s[:, k]
            np.minimum(alone, earliest, out=alone, where=self._allowed[:, k])
        lower = float(alone[np.isfinite(alone)].max(initial=0.0))
        upper = max(self.pool_end_s(index) for index in range(len(problem.pools)))
        if not np.isfinite(upper):
            seconds = np.where(self._allowed, pair_bounds.max_slot_s(problem), 0.0)
            setups = problem.setup_s[np.isfinite(problem.setup_s)].sum()
            upper = float(seconds.max(axis=1, initial=0.0).sum() + setups)
        return lower, max(lower, upper)

    def _loads(self, unit: Unit, weight: float) -> list[Variable]:
        """One load for each block of the LLM: one block for each of its concurrencies."""
        # Loads that were not measured cost without end, and are no variables.
        cost = weight * np.nan_to_num(pair_bounds.load_cost(self._problem, unit), posinf=0.0)
        return [
            self._whole(loads, columns, len(columns), float(cost[columns[0]]))
            for loads, columns in self.loads.items()
        ]

    def _devices(self, unit: Unit, weight: float) -> list[Variable]:
        cost = weight * pair_bounds.activation_cost(self._problem, unit)
        return [
            self._whole(devices, columns, 1, float(cost[devices.pool]))
            for devices, columns in self.activations.items()
        ]

    def _whole(
        self, counted: LlmLoads | DevicesOn, columns: IntArray, each: int, cost: float
    ) -> Variable:
        """Return a whole number, up to `each` for every device of its pool."""
        maximum = float(self._problem.pools[counted.pool].count * each)
        return Variable(counted, self._pinned_at_least(columns), maximum, cost, integer=True)

    def _steps(self, unit: Unit, weight: float) -> list[Variable]:
        maximum = float(self._problem.requests.workload.generated_tokens.sum())
        price = weight * self._costs.of_steps(unit)
        return [Variable(DecodeSteps(k), 0.0, maximum, float(price[k])) for k in self._costs.steps]

    def _on_seconds(self, unit: Unit, weight: float) -> list[Variable]:
        price = weight * self._costs.of_idling(unit)
        counts = np.array([pool.count for pool in self._problem.pools])
        if self.on_until_makespan():
            return [Variable(Makespan(), *self.makespan_range_s, float(counts @ price))]
        beyond, horizon = self.on_beyond_horizon(), self._problem.limits.horizon_s
        if horizon is None or not beyond:
            return []
        latest = max(horizon, self.makespan_range_s[1])
        ranges = [(counts[index] * horizon, counts[index] * latest) for index in beyond]
        return [
            Variable(OnSeconds(index), float(lower), float(upper), float(price[index]))
            for index, (lower, upper) in zip(beyond, ranges, strict=True)
        ]

    def _pinned_at_least(self, columns: IntArray) -> float:
        """Distinct devices that requests are pinned to who can only run on these placements."""
        if self._problem.requests.device is None:
            return 0.0
        elsewhere = np.delete(self._allowed, columns, axis=1).any(axis=1)
        bound = ~elsewhere & self._allowed[:, columns].any(axis=1)
        devices = self._problem.pinned_device[bound]
        return float(len(np.unique(devices[devices >= 0])))

    def _load_columns(self) -> dict[LlmLoads, IntArray]:
        groups: dict[LlmLoads, list[int]] = {}
        for k, placement in enumerate(self._problem.placements):
            load = self._problem.load_s[k] + self._problem.load_energy_j[k]
            if 0.0 < load < np.inf:
                groups.setdefault(LlmLoads(placement.pool, placement.llm), []).append(k)
        return {loads: np.array(columns) for loads, columns in groups.items()}

    def _activation_columns(self) -> dict[DevicesOn, IntArray]:
        return {
            DevicesOn(index): columns
            for index, pool in enumerate(self._problem.pools)
            if max(pool.activation_j, pool.activation_s) > 0.0
            and len(columns := np.flatnonzero(self._problem.pool_of == index))
        }
