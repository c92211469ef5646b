"""Reserves of capacity for large batches: costs stay as they are, right-hand sides do not.

The right-hand sides of the relaxation are lowered by as much as the last schedule exceeded a limit,
the aggregates and their columns are kept, and the assignment is solved and dispatched again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.bounds.activity import excesses
from planner.bounds.bounding import Bounded, bound_again
from planner.inputs import Unit
from planner.problem import PlacementProblem
from planner.quantities import PlanCost, RequestCount, SecondsBefore
from planner.schedule.schedule import Schedule
from planner.search.improvement import Improvement
from planner.search.repricing import timely
from planner.solvers.assignment_problem import AssignmentProblem

MIN_RESERVED_REQUESTS = 1_000
"""Requests below which costs are repriced instead: longest jobs and loads change them so much."""
RESERVE_ROUNDS = 10
OVERSHOOT = 1.1
"""Times a lateness or an excess that is reserved the next time."""
ROUNDED_ROW_TOLERANCE = 1e-9
MIN_STEP, STEP_GROWTH, MAX_STEP = 3e-5, 3.0, 5e-4
"""Share that is reserved at least after the first round, its growth a round, and its maximum."""
ON_TIME_SHARE = 0.3
"""Share of the largest reserve that pools get which were on time."""
INITIAL_CAP_RESERVE = 3e-5
"""Share of a cap that is reserved from the start, for idling that rows see only on average."""
MAX_INITIAL_RESERVE = 2e-4
"""Share of a pool's time that is reserved from the start: about one request for each slot."""


class CapacityReserve(Improvement):
    """Raises a reserve of capacity until the schedule fits, the gap is reached or time is out."""

    def run(self, relaxation: AssignmentProblem, start: Bounded) -> None:
        """Improve the incumbent."""
        shares, reserve = self._initial_shares(), _count_reserve(relaxation)
        caps = _caps_by_row(relaxation, self.problem)
        for r, (_, cap) in caps.items():
            reserve[r] = INITIAL_CAP_RESERVE * cap
        allowed = None
        for attempt in range(RESERVE_ROUNDS):
            tightened = with_reserve(relaxation, shares, reserve)
            if allowed is not None:
                tightened = replace(tightened, allowed=tightened.allowed & allowed)
            same = allowed is None and _same_bounds(tightened, relaxation)
            bounded = start if same else bound_again(tightened, start, self.budget)
            if bounded is None:
                shares = 0.5 * (1.0 + shares)
                continue
            placement, _ = self.assign(tightened, bounded, start.lower_bound)
            reserve += _rounding_reserve(relaxation, bounded, placement)
            offered = self.incumbent.offer_placement(placement)
            if offered is None or self.incumbent.objective <= start.lower_bound + self.absolute_gap:
                return
            schedule, evaluation = offered
            if self.budget.spent() or evaluation.feasible:
                return
            minimum = min(MIN_STEP * STEP_GROWTH**attempt, MAX_STEP)
            shares, kept = self.time_reserve(relaxation, shares, schedule, minimum)
            reserve += kept
            for r, (unit, cap) in caps.items():
                cost = evaluation.total(self.problem, unit) or 0.0
                reserve[r] += OVERSHOOT * max(0.0, cost - cap)
            if (self.problem.concurrency > 1.0).any():
                allowed = timely(self.problem, schedule)

    def _initial_shares(self) -> FloatArray:
        """Share of each pool's time that requests may fill, shape (pools,)."""
        shares = np.ones(len(self.problem.pools))
        last = float(self.problem.deadlines.distinct_s[-1])
        for k, index in enumerate(self.problem.pool_of.tolist()):
            end = min(self.problem.pools[index].end_s, last)
            slot_s = float(self.problem.costs.device_seconds[:, k].mean())
            slot_s *= self.problem.placements[k].concurrency
            shares[index] = min(shares[index], 1.0 - min(MAX_INITIAL_RESERVE, slot_s / end))
        return shares

    def time_reserve(
        self, relaxation: AssignmentProblem, shares: FloatArray, schedule: Schedule, minimum: float
    ) -> tuple[FloatArray, FloatArray]:
        """Keep free as much as requests were late, and a little more, before their deadline.

        A deadline that has a row of its own gets it there; for others the pool's whole share of
        time is lowered. Returned are the share of each pool's time, (pools,), and what rows keep
        free, (rows,).
        """
        limits = [row.limits for row in relaxation.rows]
        due = np.unique([one.due_s for one in limits if isinstance(one, SecondsBefore)])
        late = np.stack([self._lateness(schedule, index, due) for index in range(len(shares))])
        last, before = late[:, -1], late[:, :-1].max(axis=0)
        late_by = dict(zip(due.tolist(), before.tolist(), strict=True))
        # What is moved away from one pool must not be late on the next: all get a reserve.
        less = np.maximum(OVERSHOOT * last, minimum)
        worst = float(less[last > 0.0].max(initial=0.0))
        found = np.maximum(
            0.3, shares - np.maximum(np.where(last > 0.0, less, 0.0), ON_TIME_SHARE * worst)
        )
        kept = np.zeros(len(limits))
        for r, (row, one) in enumerate(zip(relaxation.rows, limits, strict=True)):
            if isinstance(one, SecondsBefore) and late_by[one.due_s] > 0.0:
                kept[r] = max(OVERSHOOT * late_by[one.due_s], minimum) * abs(row.bound)
        return found, kept

    def _lateness(self, schedule: Schedule, pool: int, deadlines_s: FloatArray) -> FloatArray:
        """Largest lateness by the first of some deadlines that a request is due by, (D + 1,)."""
        found = np.zeros(len(deadlines_s) + 1)
        members = np.flatnonzero(self.problem.pool_of[schedule.placement] == pool)
        late = schedule.end_s[members] / self.problem.latest_in_pool_s(pool, members) - 1.0
        position = np.searchsorted(deadlines_s, self.problem.deadline_s[members])
        np.maximum.at(found, position, late)
        return found


def _count_reserve(relaxation: AssignmentProblem) -> FloatArray:
    """One request in every count where requests are moved for other rows' sake too, (rows,)."""
    counts = np.array([isinstance(row.limits, RequestCount) for row in relaxation.rows], float)
    return np.zeros_like(counts) if counts.all() else counts


def _caps_by_row(
    relaxation: AssignmentProblem, problem: PlacementProblem
) -> dict[int, tuple[Unit, float]]:
    """Unit and value of the cap that a row ensures, by the row's position."""
    return {
        r: (row.limits.unit, problem.limits.caps[row.limits.unit])
        for r, row in enumerate(relaxation.rows)
        if isinstance(row.limits, PlanCost)
    }


def _rounding_reserve(
    relaxation: AssignmentProblem, bounded: Bounded, placement: IntArray
) -> FloatArray:
    """Reserve of the rows that a rounded assignment exceeds, shape (rows,)."""
    over = excesses(relaxation, placement, bounded.variables)
    bounds = np.array([row.bound for row in relaxation.rows])
    return np.where(over > ROUNDED_ROW_TOLERANCE * np.abs(bounds), OVERSHOOT * over, 0.0)


def _same_bounds(one: AssignmentProblem, other: AssignmentProblem) -> bool:
    return all(a.bound == b.bound for a, b in zip(one.rows, other.rows, strict=True))


def with_reserve(
    relaxation: AssignmentProblem, shares: FloatArray, reserve: FloatArray
) -> AssignmentProblem:
    """Return the relaxation with less room in each pool, shape (pools,), and row, (rows,)."""
    rows = tuple(
        replace(
            row, bound=row.bound * (1.0 if row.pool is None else float(shares[row.pool])) - kept
        )
        for row, kept in zip(relaxation.rows, reserve.tolist(), strict=True)
    )
    return replace(relaxation, rows=rows)
