"""The relaxation of planning as an assignment problem, one named function for each constraint.

Device-seconds stand for the schedule: what a pool's devices must hold by a time has to fit in
them. A schedule that keeps its limits satisfies every row here, so a bound of this problem bounds
every plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from costmodel.arrays import BoolArray, FloatArray
from service.planning.bounds import floors
from service.planning.bounds.assignment_problem import AssignmentProblem, Link, Peak, Row, Variable
from service.planning.inputs import CAP_NAMES, Unit
from service.planning.problem import PlacementProblem
from service.planning.schedule.evaluation import loosest

HORIZON = "makespan"
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
    slack
        What to keep free below a unit's cap, for underfill not seen in `cost_in`.
    """

    cost_in: Callable[[Unit], FloatArray] | None = None
    capacity: FloatArray | None = None
    allowed: BoolArray | None = None
    slack: Mapping[Unit, float] = field(default_factory=dict)


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
        self.weight = problem.objective.zeta / problem.cost_normaliser

    def build(self) -> AssignmentProblem:
        """Return the whole relaxation."""
        problem = self.problem
        rows = [
            *self.pools_hold_their_work(),
            *self.work_is_due_by_each_deadline(),
            *self.loaded_devices_hold_their_work(),
            *self.makespan_covers_every_pool(),
            *self.steps_cover_the_tokens(),
            *self.counts_of_each_llm(),
            *self.mean_quality_is_reached(),
            *self.costs_are_capped(),
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
            tuple(Link(columns, name) for name, columns in self.loads.items()),
            tuple(self.steps_cover_the_longest()),
            self.weight * self.constant(self.unit),
        )

    def can_be_on_time(self) -> BoolArray:
        """Ensures that a request runs only where it could end by its deadline if alone."""
        problem = self.problem
        earliest = problem.load_s[None, :] + self.slot_floor
        return np.asarray(problem.eligible & (earliest <= loosest(1.0) * problem.latest_s))

    def pools_hold_their_work(self) -> list[Row]:
        """Ensures that requests and loads fit in a pool's devices until its last deadline."""
        return [
            row
            for index in range(len(self.problem.pools))
            if np.isfinite(end := self.pool_end_s(index))
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
                self._capacity(index) * min(loosest(float(deadline)), self.pool_end_s(index)),
                problem.deadline_s <= deadline,
            )
            for deadline in deadlines
            for index in range(len(problem.pools))
        ]

    def loaded_devices_hold_their_work(self) -> list[Row]:
        """Ensures that an LLM's work fits in the devices that load it."""
        rows = []
        for name, columns in self.loads.items():
            end = self.pool_end_s(int(self.problem.pool_of[columns[0]]))
            load_s = float(self.problem.load_s[columns[0]])
            if np.isfinite(end) and end > load_s:
                seen = np.zeros(self.problem.k)
                seen[columns] = 1.0
                seconds = self.problem.costs.device_seconds
                rows.append(Row(name, seconds, seen, 0.0, None, {name: load_s - end}))
        return rows

    def makespan_covers_every_pool(self) -> list[Row]:
        """Ensures that the makespan, for which always-on devices idle, covers all work."""
        if not self._on_until_makespan():
            return []
        return self.makespan_rows()

    def makespan_rows(self) -> list[Row]:
        """Ensures that every pool's work and loads fit in its devices until the makespan."""
        return [
            self._work_row(f"makespan/{pool.name}", index, 0.0, {HORIZON: -self._capacity(index)})
            for index, pool in enumerate(self.problem.pools)
        ]

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

    def costs_are_capped(self) -> list[Row]:
        """Ensures that the cost of requests, loads and idling stays within each unit's cap."""
        rows = []
        for unit, cap in self.problem.limits.caps.items():
            variables = {v.name: v.cost for v in self._variables(unit, 1.0)}
            bound = loosest(cap) - self.constant(unit) - self.pricing.slack.get(unit, 0.0)
            cost, ones = self._assignment_cost(unit), np.ones(self.problem.k)
            rows.append(Row(CAP_NAMES[unit], cost, ones, bound, None, variables))
        return rows

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
        return float(horizon * (counts * self._idle_price(unit)).sum())

    def pool_end_s(self, index: int) -> float:
        """Time by which everything on a pool must have ended [s]."""
        pool = self.problem.pools[index]
        end = min(float(self.problem.deadline_s.max(initial=0.0)), pool.end_s)
        return loosest(end)

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

    def _load_columns(self) -> dict[str, np.ndarray]:
        """Placements that one load serves, by the name of the variable that counts the loads."""
        groups: dict[str, list[int]] = {}
        for k, placement in enumerate(self.problem.placements):
            load = self.problem.load_s[k] + self.problem.load_energy_j[k]
            if 0.0 < load < np.inf:
                name = f"loads/{self.problem.pools[placement.pool].name}/{placement.llm}"
                groups.setdefault(name, []).append(k)
        return {name: np.array(columns) for name, columns in groups.items()}

    def _on_until_makespan(self) -> bool:
        units: set[Unit] = {"energy", self.unit, *self.problem.limits.caps}
        prices = [self._idle_price(unit) for unit in units]
        return self.problem.limits.horizon_s is None and bool(np.any(prices))

    def _variables(self, unit: Unit, weight: float) -> list[Variable]:
        """Return the loads of each LLM on each pool, the steps of each placement, the makespan."""
        problem, found = self.problem, []
        load_cost = weight * floors.load_cost(problem, unit)
        for name, columns in self.loads.items():
            pool = problem.pools[int(problem.pool_of[columns[0]])]
            # One load for each block of the LLM: one block for each of its concurrencies.
            upper = float(pool.count * len(columns))
            found.append(Variable(name, 0.0, upper, float(load_cost[columns[0]]), integer=True))
        most = float(problem.requests.workload.output_tokens.sum())
        step_price = weight * self._step_price(unit)
        found += [Variable(_steps(k), 0.0, most, float(step_price[k])) for k in self.steps]
        if self._on_until_makespan():
            counts = np.array([pool.count for pool in problem.pools])
            price = float((counts * self._idle_price(unit)).sum())
            found.append(Variable(HORIZON, *self.makespan_range_s(), weight * price))
        return found

    def makespan_range_s(self) -> tuple[float, float]:
        """Least makespan by the longest request alone, and one that every plan can keep [s]."""
        earliest = self.problem.load_s[None, :] + self.slot_floor
        alone = np.where(self.allowed, earliest, np.inf).min(axis=1)
        lower = float(alone[np.isfinite(alone)].max(initial=0.0))
        upper = max(self.pool_end_s(index) for index in range(len(self.problem.pools)))
        if not np.isfinite(upper):
            seconds = np.where(self.allowed, floors.slot_ceiling_s(self.problem), 0.0)
            loads = self.problem.load_s[np.isfinite(self.problem.load_s)].sum()
            upper = float(seconds.max(axis=1, initial=0.0).sum() + loads)
        return lower, max(lower, upper)


def _steps(k: int) -> str:
    return f"steps/{k}"


def _only(k: int, size: int) -> FloatArray:
    column = np.zeros(size)
    column[k] = 1.0
    return column
