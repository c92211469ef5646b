"""The relaxation of planning as an assignment problem, one named function for each constraint.

Device-seconds stand for the schedule: what a pool's devices must hold by a time has to fit in
them. A schedule that keeps its limits satisfies every row here, so a bound of this problem bounds
every plan. docs/explanation/formulation.md has all of it in mathematics.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from planner.bounds import pair_bounds, row_choice
from planner.bounds.activity import values_at
from planner.bounds.side_variables import SideVariables
from planner.bounds.surrogate import RelaxationCosts, Surrogate
from planner.problem import PlacementProblem
from planner.quantities import (
    Counted,
    DecodeSteps,
    Makespan,
    MakespanSeconds,
    MeanQuality,
    OnSeconds,
    PinnedSeconds,
    PlanCost,
    PoolSeconds,
    PoolTime,
    RequestCount,
    SecondsBefore,
)
from planner.schedule.violations import loosest
from planner.solvers.assignment_problem import AssignmentProblem, Link, LongestJob, Row


class Formulation:
    """Builds the assignment problem of a planning problem."""

    def __init__(self, problem: PlacementProblem, surrogate: Surrogate | None = None) -> None:
        self.problem = problem
        self.surrogate = surrogate or Surrogate()
        self.costs = RelaxationCosts(problem, self.surrogate)
        given = self.surrogate.deadlines
        self.deadlines = row_choice.first_deadlines(problem) if given is None else given
        self.pinned = row_choice.pinned_devices(problem)
        self.allowed = self.can_be_on_time()
        if self.surrogate.allowed is not None:
            self.allowed &= self.surrogate.allowed
        self.side = SideVariables(problem, self.costs, self.allowed, lambda: self.min_slot_s)
        self.weight = problem.objective.zeta / problem.cost_normaliser

    @cached_property
    def min_slot_s(self) -> FloatArray:
        """Least seconds for which a request holds a slot, shape (n, k)."""
        return pair_bounds.min_slot_s(self.problem)

    @cached_property
    def due(self) -> FloatArray:
        """Least device-seconds of a request before it ends, shape (n, k)."""
        if (self.problem.concurrency == 1.0).all():
            return self.problem.costs.device_seconds
        return np.asarray(self.min_slot_s / self.problem.concurrency[None, :])

    def build(self) -> AssignmentProblem:
        """Return the whole relaxation."""
        unit = self.problem.objective.minimise
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
            *self.costs_are_capped(),
        ]
        row_class = None
        if any(row.classes is not None for row in rows):
            row_class = row_choice.row_classes(self.problem, self.deadlines, self.pinned)
        return AssignmentProblem(
            self._objective(),
            self.allowed,
            tuple(rows),
            tuple(self.side.all_in(unit, self.weight)),
            tuple(self.used_placements_are_loaded_and_on()),
            tuple(self.steps_cover_the_longest()),
            self.weight * self.side.constant(unit),
            row_class=row_class,
        )

    def can_be_on_time(self) -> BoolArray:
        """Ensures that a request runs only where it could end in time if alone, shape (n, k)."""
        problem = self.problem
        ends = np.array([problem.pools[index].end_s for index in problem.pool_of])
        allowed = problem.eligible.copy(order="F")
        if np.isinf(ends).all() and np.isinf(problem.deadline_s).all():
            return allowed
        for k in range(problem.k):
            latest = np.minimum(problem.deadline_s, ends[k])
            earliest = problem.setup_s[k] + self.min_slot_s[:, k]
            allowed[:, k] &= earliest <= loosest(1.0) * latest
        return allowed

    def pools_hold_their_work(self) -> list[Row]:
        """Ensures that requests and loads fit in a pool's devices until its last deadline."""
        return [
            self._work_row(PoolSeconds(index), end)
            for index in range(len(self.problem.pools))
            if np.isfinite(end := self.side.working_s(index))
        ]

    def work_is_due_by_each_deadline(self) -> list[Row]:
        """Ensures that work and loads that a pool must finish by a deadline fit before it."""
        rows = []
        for position, deadline in enumerate(self.deadlines.tolist()):
            due = np.arange(len(self.deadlines) + 1) <= position
            classes = np.repeat(due, len(self.pinned) + 1)
            for index in range(len(self.problem.pools)):
                end = self.side.working_s(index, loosest(deadline))
                limits, devices = SecondsBefore(index, deadline), self._capacity(index)
                rows.append(self._due_row(limits, end, devices, classes))
        return rows

    def with_broken_deadlines(self, placement: IntArray) -> FloatArray | None:
        """Return the deadlines to give rows to next; see `row_choice.with_broken_deadlines`."""
        distinct_s = self.problem.deadlines.distinct_s
        if len(distinct_s) - 1 <= len(self.deadlines):
            return None
        work = values_at(self.due, placement, None)
        pools, ends = range(len(self.problem.pools)), loosest(distinct_s)
        room = np.array([self._capacity(p) * self.side.working_before_s(p, ends) for p in pools])
        return row_choice.with_broken_deadlines(self.problem, self.deadlines, placement, work, room)

    def loaded_devices_hold_their_work(self) -> list[Row]:
        """Ensures that an LLM's work fits in the devices that load it."""
        rows = []
        for loads, columns in self.side.loads.items():
            end = self.side.working_s(loads.pool)
            load_s = float(self.problem.load_s[columns[0]])
            if np.isfinite(end) and end > load_s:
                seen = np.isin(np.arange(self.problem.k), columns).astype(float)
                seconds = self.problem.costs.device_seconds
                rows.append(Row(loads, seconds, seen, 0.0, None, {loads: load_s - end}))
        return rows

    def activated_devices_hold_their_work(self) -> list[Row]:
        """Ensures that a pool's work and loads fit in the devices that it switches on."""
        return [
            self._work_row(devices, 0.0, {devices: -end})
            for devices in self.side.activations
            if np.isfinite(end := self.side.working_s(devices.pool))
        ]

    def used_placements_are_loaded_and_on(self) -> list[Link]:
        """Ensures that a placement is used only with its LLM loaded and a device switched on."""
        loads = [Link(columns, loads) for loads, columns in self.side.loads.items()]
        return loads + [Link(columns, on) for on, columns in self.side.activations.items()]

    def pinned_devices_hold_their_work(self) -> list[Row]:
        """Ensures that what is pinned to a device, and its loads, fit before its last deadline."""
        problem, rows = self.problem, list[Row]()
        for position, device in enumerate(self.pinned.tolist()):
            pinned = np.arange(len(self.pinned) + 1) == position + 1
            classes = np.tile(pinned, len(self.deadlines) + 1)
            for index, pool in enumerate(problem.pools):
                end = self.side.working_s(index)
                if device < pool.count and np.isfinite(end):
                    rows.append(self._due_row(PinnedSeconds(index, device), end, 1.0, classes))
        return rows

    def makespan_covers_every_pool(self) -> list[Row]:
        """Ensures that the makespan, until which always-on devices are on, covers all work."""
        return self.makespan_rows() if self.side.on_until_makespan() else []

    def makespan_rows(self) -> list[Row]:
        """Return the rows by which every pool's work fits in its devices until the makespan."""
        rows = []
        for index, pool in enumerate(self.problem.pools):
            switched = [devices for devices in self.side.activations if devices.pool == index]
            variables: dict[Counted, float] = dict.fromkeys(switched, pool.activation_s)
            variables[Makespan()] = -self._capacity(index)
            rows.append(self._work_row(MakespanSeconds(index), 0.0, variables))
        return rows

    def pools_stay_on_for_their_work(self) -> list[Row]:
        """Ensures that always-on devices are on for all work, also beyond a given horizon."""
        return [
            self._work_row(OnSeconds(index), 0.0, {OnSeconds(index): -1.0})
            for index in self.side.on_beyond_horizon()
        ]

    def steps_cover_the_tokens(self) -> list[Row]:
        """Ensures that a placement's blocks run enough steps for their tokens, all slots full."""
        output = self.problem.requests.workload.generated_tokens.astype(float)[:, None]
        per_step = np.diag(1.0 / self.problem.concurrency)
        counted = [DecodeSteps(k) for k in self.costs.steps]
        return [Row(c, output, per_step[c.placement], 0.0, None, {c: -1.0}) for c in counted]

    def steps_cover_the_longest(self) -> list[LongestJob]:
        """Ensures that a placement's blocks run as many steps as their longest request."""
        output = self.problem.requests.workload.output_tokens.astype(float)
        return [LongestJob(k, DecodeSteps(k), output) for k in self.costs.steps]

    def counts_of_each_llm(self) -> list[Row]:
        """Ensures that each LLM serves its least and at most its most requests."""
        problem, rows, ones = self.problem, list[Row](), np.ones((1, self.problem.k))
        for llm in dict.fromkeys([*problem.limits.shares, *problem.limits.min_requests]):
            columns = np.array([float(p.llm == llm) for p in problem.placements])
            lower, upper = problem.request_counts(llm)
            if lower > 0:
                rows.append(Row(RequestCount(llm, "min"), ones, -columns, -float(lower)))
            if upper < problem.n:
                rows.append(Row(RequestCount(llm, "max"), ones, columns, float(upper)))
        return rows

    def mean_quality_is_reached(self) -> list[Row]:
        """Ensures that the token-weighted mean score reaches its floor."""
        floor = self.problem.limits.min_mean_quality
        if floor is None:
            return []
        tokens = self.problem.tokens[:, None]
        floor = loosest(floor, -1.0)
        return [Row(MeanQuality(), tokens, floor - self.problem.quality_values, 0.0)]

    def costs_are_capped(self) -> list[Row]:
        """Ensures that the cost of requests, loads and idling stays within each unit's cap."""
        rows = []
        for unit, cap in self.problem.limits.caps.items():
            variables = {v.counts: v.cost for v in self.side.all_in(unit, 1.0)}
            bound = loosest(cap) - self.side.constant(unit) - self.surrogate.reserve.get(unit, 0.0)
            cost, ones = self.costs.of_pairs(unit), np.ones(self.problem.k)
            rows.append(Row(PlanCost(unit), cost, ones, bound, None, variables))
        return rows

    def _objective(self) -> FloatArray:
        """Cost less quality of each pair, in the objective's own unit, shape (n, k)."""
        problem, zeta = self.problem, self.problem.objective.zeta
        cost = self.weight * self.costs.of_pairs(problem.objective.minimise)
        if zeta < 1.0:
            worth = (1.0 - zeta) * problem.quality_values / problem.quality_normaliser
            for k in range(problem.k):
                cost[:, k] -= worth[k] * problem.tokens
        return cost

    def _stretch_by_loads(self, index: int, end_s: float) -> FloatArray:
        """Factor on the work due by a time for the loads that it needs, 0 on other pools, (k,).

        A device with w seconds, of which L are for the load, has w - L for the work: so the work
        times w / (w - L) fits in w.
        """
        there: FloatArray = (self.problem.pool_of == index).astype(float)
        left = end_s - self.problem.load_s
        np.divide(end_s, left, out=there, where=(there > 0.0) & (left > 0.0) & np.isfinite(left))
        return there

    def _capacity(self, index: int) -> float:
        share = 1.0 if self.surrogate.capacity is None else float(self.surrogate.capacity[index])
        return self.problem.pools[index].count * share

    def _due_row(
        self, limits: SecondsBefore | PinnedSeconds, end: float, devices: float, classes: BoolArray
    ) -> Row:
        """Return the row of what some classes of requests must hold of devices by a time."""
        stretch = self._stretch_by_loads(limits.pool, end)
        return Row(limits, self.due, stretch, devices * end, classes)

    def _work_row(
        self, limits: PoolTime, end: float, variables: Mapping[Counted, float] | None = None
    ) -> Row:
        columns = (self.problem.pool_of == limits.pool).astype(float)
        taken = self.side.of_pool(limits.pool) | dict(variables or {})
        bound = self._capacity(limits.pool) * end
        return Row(limits, self.problem.costs.device_seconds, columns, bound, None, taken)
