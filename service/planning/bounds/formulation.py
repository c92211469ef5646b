"""The relaxation of planning as an assignment problem, one named function for each constraint.

Device-seconds stand for the schedule: what a pool's devices must hold by a time has to fit in
them. A schedule that keeps its limits satisfies every row here, so a bound of this problem bounds
every plan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costmodel.arrays import BoolArray, FloatArray
from service.planning.bounds import floors
from service.planning.bounds.assignment_problem import AssignmentProblem, Link, Peak, Row, Variable
from service.planning.problem import PlacementProblem
from service.planning.schedule.evaluation import loosest

HORIZON = "makespan"
FIRST_DEADLINES = 12
"""Distinct deadlines that get rows at first; others get theirs when an assignment breaks them."""
MOST_WITH_TAILS = 20_000
"""Requests above which the tails of blocks are left out: too small a part for their price."""


@dataclass(frozen=True)
class Pricing:
    """How the solver is told to see a problem; the default is what a valid bound needs.

    Attributes
    ----------
    energy_j
        Joules of each assignment, idle savings taken off, shape (n, k); None for the floors.
    capacity
        Share of each pool's device-seconds that may be used, shape (pools,); None for all.
    allowed
        Pairs to consider, shape (n, k); None for all that a schedule could hold.
    energy_slack_j
        Joules to keep free below the energy cap, for underfill not seen in `energy_j`.
    deadlines
        Distinct deadlines before the last that get rows, rising, shape (D,); None for the first.
    """

    energy_j: FloatArray | None = None
    capacity: FloatArray | None = None
    allowed: BoolArray | None = None
    energy_slack_j: float = 0.0
    deadlines: FloatArray | None = None


def first_deadlines(problem: PlacementProblem) -> FloatArray:
    """Return distinct deadlines, spread over all, before the last, rising, shape (D,)."""
    found = np.unique(problem.deadline_s)[:-1]
    if len(found) > FIRST_DEADLINES:
        found = found[np.linspace(0, len(found) - 1, FIRST_DEADLINES).astype(int)]
    return found


class Formulation:
    """Builds the assignment problem of a planning problem."""

    def __init__(self, problem: PlacementProblem, pricing: Pricing | None = None) -> None:
        self.problem = problem
        self.pricing = pricing or Pricing()
        plain = self.pricing.energy_j is not None or problem.n > MOST_WITH_TAILS
        self.step_price = np.zeros(problem.k) if plain else floors.step_price_j(problem)
        given = self.pricing.deadlines
        self.deadlines = first_deadlines(problem) if given is None else given
        self.energy = self._energy_j()
        self.slot_floor = floors.slot_floor_s(problem)
        self.due = self.slot_floor / problem.concurrency[None, :]
        if (problem.concurrency == 1.0).all():
            self.due = problem.costs.device_seconds
        self.allowed = self.can_be_on_time()
        if self.pricing.allowed is not None:
            self.allowed &= self.pricing.allowed
        self.loads = self._load_columns()
        self.joules = problem.objective.zeta / problem.energy_normaliser_j

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
            *self.energy_is_capped(),
        ]
        zeta = problem.objective.zeta
        cost = self.joules * self.energy
        if zeta < 1.0:
            worth = (1.0 - zeta) * problem.quality_values / problem.quality_normaliser
            for k in range(problem.k):
                cost[:, k] -= worth[k] * problem.tokens
        return AssignmentProblem(
            cost,
            self.allowed,
            tuple(rows),
            tuple(self._variables()),
            tuple(Link(columns, name) for name, columns in self.loads.items()),
            tuple(self.steps_cover_the_longest()),
            self.joules * self.constant_j(),
            group=np.searchsorted(self.deadlines, problem.deadline_s),
        )

    def can_be_on_time(self) -> BoolArray:
        """Ensures that a request runs only where it could end by its deadline if alone."""
        problem = self.problem
        allowed = problem.eligible.copy(order="F")
        if not (np.isfinite(problem.deadline_s).all() or self._ends().any()):
            return allowed
        for k in range(problem.k):
            latest = np.minimum(problem.deadline_s, self._ends()[k])
            earliest = problem.load_s[k] + self.slot_floor[:, k]
            allowed[:, k] &= earliest <= loosest(1.0) * latest
        return allowed

    def pools_hold_their_work(self) -> list[Row]:
        """Ensures that requests and loads fit in a pool's devices until its last deadline."""
        return [
            row
            for index in range(len(self.problem.pools))
            if np.isfinite(end := self.pool_end_s(index))
            for row in [self._work_row(f"pools/{self.problem.pools[index].name}", index, end)]
        ]

    def work_is_due_by_each_deadline(self) -> list[Row]:
        """Ensures that work and loads that a pool must finish by a deadline fit before it."""
        problem = self.problem
        return [
            Row(
                f"requests/deadline_seconds/{deadline:g}/{problem.pools[index].name}",
                self.due,
                (problem.pool_of == index).astype(float),
                self._capacity(index) * min(loosest(float(deadline)), self.pool_end_s(index)),
                np.arange(len(self.deadlines) + 1) <= position,
                pool=index,
            )
            for position, deadline in enumerate(self.deadlines)
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
        if not self._idles_until_makespan():
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
            for k in np.flatnonzero(self.step_price).tolist()
        ]

    def steps_cover_the_longest(self) -> list[Peak]:
        """Ensures that a placement's blocks run as many steps as their longest request."""
        output = self.problem.requests.workload.output_tokens.astype(float)
        return [Peak(k, _steps(k), output) for k in np.flatnonzero(self.step_price).tolist()]

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
        variables = {v.name: v.cost for v in self._variables(joules=1.0)}
        bound = loosest(cap) - self.constant_j() - self.pricing.energy_slack_j
        return [
            Row("max_energy_joules", self.energy, np.ones(self.problem.k), bound, None, variables)
        ]

    def _energy_j(self) -> FloatArray:
        """Joules of each assignment, what its steps cost taken off: they have their own price."""
        if self.pricing.energy_j is not None:
            return self.pricing.energy_j
        output = self.problem.requests.workload.output_tokens.astype(float)[:, None]
        floor = floors.priced_floor_j(self.problem)
        return np.asarray(floor - self.step_price * output / self.problem.concurrency)

    def constant_j(self) -> float:
        """Idle joules of always-on devices until a given horizon, before what work saves [J]."""
        horizon = self.problem.limits.horizon_s
        if horizon is None:
            return 0.0
        return horizon * sum(pool.count * pool.always_on_watts for pool in self.problem.pools)

    def pool_end_s(self, index: int) -> float:
        """Time by which everything on a pool must have ended [s]."""
        pool = self.problem.pools[index]
        end = min(float(self.problem.deadline_s.max(initial=0.0)), pool.end_s)
        return loosest(end)

    def _ends(self) -> FloatArray:
        """Time by which everything on each placement's pool must have ended [s], shape (k,)."""
        return np.array([self.problem.pools[index].end_s for index in self.problem.pool_of])

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
        return Row(name, seconds, columns, bound, None, loads | (variables or {}), pool=index)

    def _load_columns(self) -> dict[str, np.ndarray]:
        """Placements that one load serves, by the name of the variable that counts the loads."""
        groups: dict[str, list[int]] = {}
        for k, placement in enumerate(self.problem.placements):
            load = self.problem.load_s[k] + self.problem.load_energy_j[k]
            if 0.0 < load < np.inf:
                name = f"loads/{self.problem.pools[placement.pool].name}/{placement.llm}"
                groups.setdefault(name, []).append(k)
        return {name: np.array(columns) for name, columns in groups.items()}

    def _idles_until_makespan(self) -> bool:
        watts = [pool.always_on_watts for pool in self.problem.pools]
        return self.problem.limits.horizon_s is None and any(watts)

    def _variables(self, joules: float | None = None) -> list[Variable]:
        """Return the loads of each LLM on each pool, the steps of each placement, the makespan."""
        problem = self.problem
        joules = self.joules if joules is None else joules
        found = []
        for name, columns in self.loads.items():
            pool = problem.pools[int(problem.pool_of[columns[0]])]
            load_j = float(problem.load_energy_j[columns[0]])
            load_j -= pool.always_on_watts * float(problem.load_s[columns[0]])
            # One load for each block of the LLM: one block for each of its concurrencies.
            upper = float(pool.count * len(columns))
            found.append(Variable(name, 0.0, upper, joules * load_j, integer=True))
        most = float(problem.requests.workload.output_tokens.sum())
        for k in np.flatnonzero(self.step_price).tolist():
            found.append(Variable(_steps(k), 0.0, most, joules * float(self.step_price[k])))
        if self._idles_until_makespan():
            watts = sum(pool.count * pool.always_on_watts for pool in problem.pools)
            lower, upper = self.makespan_range_s()
            found.append(Variable(HORIZON, lower, upper, joules * watts))
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
