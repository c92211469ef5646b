"""Large batches: their costs stay as they are, only room is kept for what a schedule adds.

The rows of the relaxation are lowered by as much as the last schedule exceeded a limit, the cells
and their columns are kept, and the assignment is solved and dealt out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.bounds.activity import excesses
from planner.bounds.bounding import Bounded, bound_again
from planner.clock import Deadline
from planner.inputs import CAP_NAMES
from planner.problem import PlacementProblem
from planner.schedule.schedule import Schedule
from planner.search.hardest import decide_hardest
from planner.search.incumbent import Incumbent
from planner.search.repricing import timely
from planner.solvers.assignment_problem import AssignmentProblem

LEAST_REQUESTS = 1_000
"""Below, tails and loads change the costs so much that they are priced anew instead."""
ROUNDS = 10
OVERSHOOT = 1.1
"""Times a lateness or an excess that is kept free the next time."""
ROUNDING = 1e-9
STEP, GROWTH, MOST_STEP = 3e-5, 3.0, 5e-4
"""Share that is kept free at least after the first round, times by which it grows, and its most."""
OTHERS = 0.3
"""Share of the largest room that pools keep free which were on time."""
CAP_ROOM = 3e-5
"""Share of a cap that is kept free from the start, for idling that rows see only on average."""
MOST_ROOM = 2e-4
"""Share of a pool's time that is kept free from the start: about one request for each slot."""


@dataclass(frozen=True)
class Tightener:
    """Keeps room until the schedule fits, the gap is reached or time is out."""

    problem: PlacementProblem
    incumbent: Incumbent
    deadline: Deadline
    seed: int
    absolute_gap: float

    def run(self, relaxation: AssignmentProblem, start: Bounded) -> None:
        """Improve the incumbent."""
        shares = self._first_shares()
        caps = self.problem.limits.caps
        slack = {CAP_NAMES[unit]: CAP_ROOM * cap for unit, cap in caps.items()}
        slack |= _first_room_in_counts(relaxation)
        allowed = None
        for attempt in range(ROUNDS):
            target = tightened(relaxation, shares, slack)
            if allowed is not None:
                target = replace(target, allowed=target.allowed & allowed)
            same = allowed is None and _same_bounds(target, relaxation)
            bounded = start if same else bound_again(target, start, self.deadline)
            if bounded is None:
                shares = 0.5 * (1.0 + shares)
                continue
            placement, _ = decide_hardest(
                target,
                bounded,
                self.deadline,
                enough=start.lower_bound + 0.5 * self.absolute_gap,
                absolute_gap=self.absolute_gap,
                seed=self.seed,
            )
            _keep_room_in_rows(slack, relaxation, bounded, placement)
            dealt = self.incumbent.offer_placement(placement)
            if dealt is None or self.incumbent.objective <= start.lower_bound + self.absolute_gap:
                return
            schedule, evaluation = dealt
            if self.deadline.passed() or evaluation.feasible:
                return
            shares = self._keep_room_in_time(
                relaxation, shares, slack, schedule, min(STEP * GROWTH**attempt, MOST_STEP)
            )
            for unit, cap in self.problem.limits.caps.items():
                over = (evaluation.total(self.problem, unit) or 0.0) - cap
                slack[CAP_NAMES[unit]] = slack.get(CAP_NAMES[unit], 0.0) + OVERSHOOT * max(
                    0.0, over
                )
            allowed = self._timely(schedule)

    def _first_shares(self) -> FloatArray:
        """Share of each pool's time that requests may fill, shape (pools,)."""
        shares = np.ones(len(self.problem.pools))
        last = float(self.problem.deadlines.distinct_s[-1])
        for k, index in enumerate(self.problem.pool_of.tolist()):
            end = min(self.problem.pools[index].end_s, last)
            slot_s = float(self.problem.costs.device_seconds[:, k].mean())
            slot_s *= self.problem.placements[k].concurrency
            shares[index] = min(shares[index], 1.0 - min(MOST_ROOM, slot_s / end))
        return shares

    def _keep_room_in_time(
        self,
        relaxation: AssignmentProblem,
        shares: FloatArray,
        slack: dict[str, float],
        schedule: Schedule,
        least: float,
    ) -> FloatArray:
        """Keep free as much as requests were late, and a little more, before their deadline.

        A deadline that has a row of its own gets it there; for others the pool's whole share of
        time is lowered, which is returned.
        """
        due = np.unique([row.due_s for row in relaxation.rows if row.due_s is not None])
        late = np.stack([self._lateness(schedule, index, due) for index in range(len(shares))])
        last, before = late[:, -1], late[:, :-1].max(axis=0)
        late_by = dict(zip(due.tolist(), before.tolist(), strict=True))
        # What is moved away from one pool must not be late on the next: all keep room.
        less = np.maximum(OVERSHOOT * last, least)
        worst = float(less[last > 0.0].max(initial=0.0))
        found = np.maximum(
            0.3, shares - np.maximum(np.where(last > 0.0, less, 0.0), OTHERS * worst)
        )
        for row in relaxation.rows:
            lateness = 0.0 if row.due_s is None else late_by.get(row.due_s, 0.0)
            if lateness > 0.0:
                kept = max(OVERSHOOT * lateness, least) * abs(row.bound)
                slack[row.name] = slack.get(row.name, 0.0) + kept
        return found

    def _lateness(self, schedule: Schedule, pool: int, deadlines_s: FloatArray) -> FloatArray:
        """Largest lateness by the first of some deadlines that a request is due by, (D + 1,)."""
        found = np.zeros(len(deadlines_s) + 1)
        members = np.flatnonzero(self.problem.pool_of[schedule.placement] == pool)
        late = schedule.end_s[members] / self.problem.latest_in_pool_s(pool, members) - 1.0
        position = np.searchsorted(deadlines_s, self.problem.deadline_s[members])
        np.maximum.at(found, position, late)
        return found

    def _timely(self, schedule: Schedule) -> np.ndarray | None:
        if (self.problem.concurrency == 1.0).all():
            return None
        return timely(self.problem, schedule)


def _first_room_in_counts(relaxation: AssignmentProblem) -> dict[str, float]:
    """Keep one request free in every count where requests are moved for other rows' sake too."""
    counts = [row for row in relaxation.rows if row.values.size == row.values.shape[1]]
    return {} if len(counts) == len(relaxation.rows) else {row.name: 1.0 for row in counts}


def _keep_room_in_rows(
    slack: dict[str, float], relaxation: AssignmentProblem, bounded: Bounded, placement: IntArray
) -> None:
    """Add to what rows keep free as much as a rounded assignment exceeds them."""
    over = excesses(relaxation, placement, bounded.variables)
    for row, excess in zip(relaxation.rows, over.tolist(), strict=True):
        if excess > ROUNDING * abs(row.bound):
            slack[row.name] = slack.get(row.name, 0.0) + OVERSHOOT * excess


def _same_bounds(one: AssignmentProblem, other: AssignmentProblem) -> bool:
    return all(a.bound == b.bound for a, b in zip(one.rows, other.rows, strict=True))


def tightened(
    relaxation: AssignmentProblem, shares: FloatArray, slack: Mapping[str, float]
) -> AssignmentProblem:
    """Return the relaxation with less room in each pool, and in each row by its name."""

    def bound_of(name: str, bound: float, pool: int | None) -> float:
        share = 1.0 if pool is None else float(shares[pool])
        return bound * share - slack.get(name, 0.0)

    rows = tuple(
        replace(row, bound=bound_of(row.name, row.bound, row.pool)) for row in relaxation.rows
    )
    return replace(relaxation, rows=rows)
