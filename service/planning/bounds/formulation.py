"""The relaxation of planning as an assignment problem, one named function for each constraint.

Device-seconds stand for the schedule: what a pool's devices must hold by a time has to fit in
them. A schedule that keeps its limits satisfies every row here, so a bound of this problem bounds
every plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from service.planning.bounds import floors
from service.planning.bounds.assignment_problem import AssignmentProblem, Link, Peak, Row, Variable
from service.planning.inputs import Unit
from service.planning.problem import PlacementProblem
from service.planning.schedule.evaluation import loosest

HORIZON = "makespan"
MOST_PINNED = 12
"""Devices with pinned requests that get rows of their own, those with the most requests first."""
MOST_DEADLINES = 12
"""Distinct deadlines that get rows of their own; leaving some out only weakens the bound."""


@dataclass(frozen=True)
class Pricing:
    """How the solver is told to see a problem; the default is what a valid bound needs.

    Attributes
    ----------
    cost_in
        Cost of each assignment in a unit, idle savings taken off, shape (n, k); None for the
        floors.
    capacity
        Share of each pool's device-seconds that may be used, shape (pools,); None for all.
    allowed
        Pairs to consider, shape (n, k); None for all that a schedule could hold.
    energy_slack_j
        Joules to keep free below the energy cap, for underfill not seen in `cost_in`.
    """

    cost_in: Callable[[Unit], FloatArray] | None = None
    capacity: FloatArray | None = None
    allowed: BoolArray | None = None
    energy_slack_j: float = 0.0


class Formulation:
    """Builds the assignment problem of a planning problem."""

    def __init__(self, problem: PlacementProblem, pricing: Pricing | None = None) -> None:
        self.problem = problem
        self.pricing = pricing or Pricing()
        self.unit: Unit = problem.objective.minimise
        self._step_prices: dict[Unit, FloatArray] = {}
        self._costs: dict[Unit, FloatArray] = {}
        self.steps = np.flatnonzero(self._step_price(self.unit)).tolist()
        self.slot_floor = floors.slot_floor_s(problem)
        self.allowed = self.can_be_on_time()
        if self.pricing.allowed is not None:
            self.allowed &= self.pricing.allowed
        self.loads = self._load_columns()
        self.activations = self._activation_columns()
        self.weight = problem.objective.zeta / problem.cost_normaliser

    def build(self) -> AssignmentProblem:
        """Return the whole relaxation."""
        problem = self.problem
        rows = [
            *self.pools_hold_their_work(),
            *self.work_is_due_by_each_deadline(),
            *self.loaded_devices_hold_their_work(),
            *self.activated_devices_hold_their_work(),
            *self.pinned_devices_hold_their_work(),
            *self.makespan_covers_every_pool(),
            *self.pools_stay_on_for_their_work(),
            *self.steps_cover_the_tokens(),
            *self.counts_of_each_llm(),
            *self.mean_quality_is_reached(),
            *self.energy_is_capped(),
        ]
        zeta = problem.objective.zeta
        value = problem.tokens[:, None] * problem.quality_values[None, :]
        cost = self.weight * self._assignment_cost(self.unit)
        cost -= (1.0 - zeta) * value / problem.quality_normaliser
        return AssignmentProblem(
            cost,
            self.allowed,
            tuple(rows),
            tuple(self._variables(self.unit, self.weight)),
            tuple(self.used_placements_are_loaded_and_on()),
            tuple(self.steps_cover_the_longest()),
            self.weight * self.constant(self.unit),
        )

    def can_be_on_time(self) -> BoolArray:
        """Ensures that a request runs only where it could end by its deadline if alone."""
        problem = self.problem
        earliest = problem.setup_s[None, :] + self.slot_floor
        return np.asarray(problem.eligible & (earliest <= loosest(1.0) * problem.latest_s))

    def pools_hold_their_work(self) -> list[Row]:
        """Ensures that requests and loads fit in a pool's devices until its last deadline."""
        return [
            row
            for index in range(len(self.problem.pools))
            if np.isfinite(end := self.working_s(index))
            for row in [self._work_row(f"pools/{self.problem.pools[index].name}", index, end)]
        ]

    def work_is_due_by_each_deadline(self) -> list[Row]:
        """Ensures that what a pool must finish by a deadline fits in its devices before it."""
        problem = self.problem
        deadlines = np.unique(problem.deadline_s)[:-1]
        if len(deadlines) > MOST_DEADLINES:
            deadlines = deadlines[np.linspace(0, len(deadlines) - 1, MOST_DEADLINES).astype(int)]
        due = self.slot_floor / problem.concurrency[None, :]
        return [
            Row(
                f"requests/deadline_seconds/{deadline:g}/{problem.pools[index].name}",
                due,
                (problem.pool_of == index).astype(float),
                self._capacity(index) * self.working_s(index, loosest(float(deadline))),
                problem.deadline_s <= deadline,
            )
            for deadline in deadlines
            for index in range(len(problem.pools))
        ]

    def loaded_devices_hold_their_work(self) -> list[Row]:
        """Ensures that an LLM's work fits in the devices that load it."""
        rows = []
        for name, columns in self.loads.items():
            end = self.working_s(int(self.problem.pool_of[columns[0]]))
            load_s = float(self.problem.load_s[columns[0]])
            if np.isfinite(end) and end > load_s:
                seen = np.zeros(self.problem.k)
                seen[columns] = 1.0
                seconds = self.problem.costs.device_seconds
                rows.append(Row(name, seconds, seen, 0.0, None, {name: load_s - end}))
        return rows

    def used_placements_are_loaded_and_on(self) -> list[Link]:
        """Ensures that a placement is used only with its LLM loaded and a device switched on."""
        switched = self.loads | self.activations
        return [Link(columns, name) for name, columns in switched.items()]

    def activated_devices_hold_their_work(self) -> list[Row]:
        """Ensures that a pool's work and loads fit in the devices that it switches on."""
        rows = []
        for name, columns in self.activations.items():
            index = int(self.problem.pool_of[columns[0]])
            if np.isfinite(end := self.working_s(index)):
                rows.append(self._work_row(name, index, 0.0, {name: -end}))
        return rows

    def pinned_devices_hold_their_work(self) -> list[Row]:
        """Ensures that what is pinned to a device fits in it until its pool's last deadline."""
        problem, rows = self.problem, list[Row]()
        if problem.requests.device is None:
            return rows
        due = self.slot_floor / problem.concurrency[None, :]
        pinned = np.bincount(problem.pinned_device[problem.pinned_device >= 0])
        for device in np.argsort(-pinned, kind="stable")[:MOST_PINNED].tolist():
            members = problem.pinned_device == device
            for index, pool in enumerate(problem.pools):
                columns = problem.pool_of == index
                end = self.working_s(index)
                if np.isfinite(end) and self.allowed[np.ix_(members, columns)].any():
                    name = f"requests/pinned/{pool.name}/{device}"
                    rows.append(Row(name, due, columns.astype(float), end, members))
        return rows

    def makespan_covers_every_pool(self) -> list[Row]:
        """Ensures that the makespan, for which always-on devices idle, covers all work."""
        if not self._on_until_makespan():
            return []
        return self.makespan_rows()

    def pools_stay_on_for_their_work(self) -> list[Row]:
        """Ensures that always-on devices are on for all work, also beyond a given horizon."""
        return [
            self._work_row(f"on/{self.problem.pools[index].name}", index, 0.0, {_on(index): -1.0})
            for index in self._on_beyond_horizon()
        ]

    def makespan_rows(self) -> list[Row]:
        """Ensures that every pool's work and loads fit in its devices until the makespan."""
        rows = []
        for index, pool in enumerate(self.problem.pools):
            switching = {
                name: pool.activation_s
                for name, columns in self.activations.items()
                if self.problem.pool_of[columns[0]] == index
            }
            variables = switching | {HORIZON: -self._capacity(index)}
            rows.append(self._work_row(f"makespan/{pool.name}", index, 0.0, variables))
        return rows

    def steps_cover_the_tokens(self) -> list[Row]:
        """Ensures that a placement's blocks run enough steps for their tokens, all slots full."""
        output = self.problem.requests.workload.output_tokens.astype(float)[:, None]
        return [
            Row(
                _steps(k),
                output / self.problem.concurrency[k],
                _only(k, self.problem.k),
                0.0,
                None,
                {_steps(k): -1.0},
            )
            for k in self.steps
        ]

    def steps_cover_the_longest(self) -> list[Peak]:
        """Ensures that a placement's blocks run as many steps as their longest request."""
        output = self.problem.requests.workload.output_tokens.astype(float)
        return [Peak(k, _steps(k), output) for k in self.steps]

    def counts_of_each_llm(self) -> list[Row]:
        """Ensures that each LLM serves its least and at most its most requests."""
        problem, rows = self.problem, []
        for llm in dict.fromkeys([*problem.limits.shares, *problem.limits.min_requests]):
            columns = np.array([float(p.llm == llm) for p in problem.placements])
            least, most = problem.request_counts(llm)
            ones = np.ones((1, problem.k))
            if least > 0:
                rows.append(Row(f"shares/{llm}/min", ones, -columns, -float(least)))
            if most < problem.n:
                rows.append(Row(f"shares/{llm}/max", ones, columns, float(most)))
        return rows

    def mean_quality_is_reached(self) -> list[Row]:
        """Ensures that the token-weighted mean score reaches its floor."""
        floor = self.problem.limits.min_mean_quality
        if floor is None:
            return []
        tokens = self.problem.tokens[:, None]
        floor = loosest(floor, -1.0)
        return [Row("min_mean_quality", tokens, floor - self.problem.quality_values, 0.0)]

    def energy_is_capped(self) -> list[Row]:
        """Ensures that the joules of requests, loads and idling stay within their cap."""
        cap = self.problem.limits.max_energy_j
        if cap is None:
            return []
        joules = self._assignment_cost("energy")
        variables = {v.name: v.cost for v in self._variables("energy", 1.0)}
        bound = loosest(cap) - self.constant("energy") - self.pricing.energy_slack_j
        return [Row("max_energy_joules", joules, np.ones(self.problem.k), bound, None, variables)]

    def _assignment_cost(self, unit: Unit) -> FloatArray:
        """Cost of each assignment, what its steps cost taken off: they have their own price."""
        if unit not in self._costs:
            if self.pricing.cost_in is not None:
                self._costs[unit] = self.pricing.cost_in(unit)
            else:
                output = self.problem.requests.workload.output_tokens.astype(float)[:, None]
                per_token = self._step_price(unit) / self.problem.concurrency
                self._costs[unit] = floors.priced_floor(self.problem, unit) - per_token * output
        return self._costs[unit]

    def _step_price(self, unit: Unit) -> FloatArray:
        """Price of a step of each placement, 0 where its steps have no variable, shape (k,)."""
        if unit not in self._step_prices:
            priced = self.pricing.cost_in is None
            price = floors.step_price(self.problem, unit) if priced else np.zeros(self.problem.k)
            if unit != self.unit:
                price[self._step_price(self.unit) == 0.0] = 0.0
            self._step_prices[unit] = price
        return self._step_prices[unit]

    def constant(self, unit: Unit) -> float:
        """Cost of always-on devices until a given horizon, before what work saves."""
        horizon = self.problem.limits.horizon_s
        if horizon is None:
            return 0.0
        counts = np.array([pool.count for pool in self.problem.pools])
        counts[self._on_beyond_horizon()] = 0
        return float(horizon * (counts * self._idle_price(unit)).sum())

    def _on_beyond_horizon(self) -> list[int]:
        """Always-on pools whose work may end after a given horizon."""
        horizon = self.problem.limits.horizon_s
        return [
            index
            for index, pool in enumerate(self.problem.pools)
            if horizon is not None
            and pool.power_policy == "always_on"
            and horizon < self.pool_end_s(index)
        ]

    def pool_end_s(self, index: int) -> float:
        """Time by which everything on a pool must have ended [s]."""
        pool = self.problem.pools[index]
        end = min(float(self.problem.deadline_s.max(initial=0.0)), pool.end_s)
        return loosest(end)

    def working_s(self, index: int, before_s: float = np.inf) -> float:
        """Seconds that a device of a pool has to load and serve by a time, switched on first."""
        end = min(before_s, self.pool_end_s(index))
        return max(0.0, end - self.problem.pools[index].activation_s)

    def _idle_price(self, unit: Unit) -> FloatArray:
        return self.problem.rates_in(unit).of_idling(self.problem.pools)

    def _capacity(self, index: int) -> float:
        share = 1.0 if self.pricing.capacity is None else float(self.pricing.capacity[index])
        return self.problem.pools[index].count * share

    def _work_row(
        self, name: str, index: int, end: float, variables: dict[str, float] | None = None
    ) -> Row:
        columns = (self.problem.pool_of == index).astype(float)
        loads = {
            load: float(self.problem.load_s[members[0]])
            for load, members in self.loads.items()
            if self.problem.pool_of[members[0]] == index
        }
        bound = self._capacity(index) * end
        seconds = self.problem.costs.device_seconds
        return Row(name, seconds, columns, bound, None, loads | (variables or {}))

    def _load_columns(self) -> dict[str, IntArray]:
        """Placements that one load serves, by the name of the variable that counts the loads."""
        groups: dict[str, list[int]] = {}
        for k, placement in enumerate(self.problem.placements):
            load = self.problem.load_s[k] + self.problem.load_energy_j[k]
            if 0.0 < load < np.inf:
                name = f"loads/{self.problem.pools[placement.pool].name}/{placement.llm}"
                groups.setdefault(name, []).append(k)
        return {name: np.array(columns) for name, columns in groups.items()}

    def _activation_columns(self) -> dict[str, IntArray]:
        """Placements of each pool whose devices cost to switch on, by the name of their number."""
        return {
            f"devices/{pool.name}": columns
            for index, pool in enumerate(self.problem.pools)
            if max(pool.activation_j, pool.activation_s) > 0.0
            and len(columns := np.flatnonzero(self.problem.pool_of == index))
        }

    def _pinned_at_least(self, columns: IntArray) -> float:
        """Distinct devices that requests are pinned to who can only run on these placements."""
        if self.problem.requests.device is None:
            return 0.0
        elsewhere = np.delete(self.allowed, columns, axis=1).any(axis=1)
        devices = self.problem.pinned_device[~elsewhere & self.allowed[:, columns].any(axis=1)]
        return float(len(np.unique(devices[devices >= 0])))

    def _on_until_makespan(self) -> bool:
        prices = [self._idle_price(unit) for unit in {self.unit, "energy"}]
        return self.problem.limits.horizon_s is None and bool(np.any(prices))

    def _variables(self, unit: Unit, weight: float) -> list[Variable]:
        """Return loads of each LLM, devices switched on, steps of each placement, the makespan."""
        problem, found = self.problem, []
        load_cost = weight * floors.load_cost(problem, unit)
        for name, columns in self.loads.items():
            pool = problem.pools[int(problem.pool_of[columns[0]])]
            # One load for each block of the LLM: one block for each of its concurrencies.
            upper = float(pool.count * len(columns))
            lower, cost = self._pinned_at_least(columns), float(load_cost[columns[0]])
            found.append(Variable(name, lower, upper, cost, integer=True))
        activation_cost = weight * floors.activation_cost(problem, unit)
        for name, columns in self.activations.items():
            index = int(problem.pool_of[columns[0]])
            lower, upper = self._pinned_at_least(columns), float(problem.pools[index].count)
            cost = float(activation_cost[index])
            found.append(Variable(name, lower, upper, cost, integer=True))
        most = float(problem.requests.workload.output_tokens.sum())
        step_price = weight * self._step_price(unit)
        found += [Variable(_steps(k), 0.0, most, float(step_price[k])) for k in self.steps]
        idle_price, (_, latest) = weight * self._idle_price(unit), self.makespan_range_s()
        for index in self._on_beyond_horizon():
            count = problem.pools[index].count
            until = (count * (problem.limits.horizon_s or 0.0), count * latest)
            found.append(Variable(_on(index), until[0], max(until), float(idle_price[index])))
        if self._on_until_makespan():
            counts = np.array([pool.count for pool in problem.pools])
            price = float((counts * idle_price).sum())
            found.append(Variable(HORIZON, *self.makespan_range_s(), price))
        return found

    def makespan_range_s(self) -> tuple[float, float]:
        """Least makespan by the longest request alone, and one that every plan can keep [s]."""
        earliest = self.problem.setup_s[None, :] + self.slot_floor
        alone = np.where(self.allowed, earliest, np.inf).min(axis=1)
        lower = float(alone[np.isfinite(alone)].max(initial=0.0))
        upper = max(self.pool_end_s(index) for index in range(len(self.problem.pools)))
        if not np.isfinite(upper):
            seconds = np.where(self.allowed, floors.slot_ceiling_s(self.problem), 0.0)
            setups = self.problem.setup_s[np.isfinite(self.problem.setup_s)].sum()
            upper = float(seconds.max(axis=1, initial=0.0).sum() + setups)
        return lower, max(lower, upper)


def _steps(k: int) -> str:
    return f"steps/{k}"


def _on(index: int) -> str:
    return f"on/{index}"


def _only(k: int, size: int) -> FloatArray:
    column = np.zeros(size)
    column[k] = 1.0
    return column
