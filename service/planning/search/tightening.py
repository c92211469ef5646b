"""Large batches: their costs stay as they are, only room is kept for what a schedule adds.

The rows of the relaxation are lowered by as much as the last schedule exceeded a limit, the cells
and their columns are kept, and the assignment is solved and dealt out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from costmodel.arrays import FloatArray
from service.planning.bounds.assignment_problem import AssignmentProblem
from service.planning.bounds.bounding import Bounded, bound_again
from service.planning.clock import Deadline
from service.planning.inputs import CAP_NAMES
from service.planning.problem import PlacementProblem
from service.planning.schedule.schedule import Schedule
from service.planning.search.hardest import decide_hardest
from service.planning.search.incumbent import Incumbent
from service.planning.search.repricing import latenesses, timely

LEAST_REQUESTS = 1_000
"""Below, tails and loads change the costs so much that they are priced anew instead."""
ROUNDS = 5
OVERSHOOT = 1.1
"""Times a lateness, as a share of the deadline, that is kept free the next time."""
STEP, GROWTH = 3e-5, 3.0
"""Share that is kept free at least after the first round, and times by which it grows."""
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
        shares, slack = self._first_shares(), dict[str, float]()
        allowed = None
        for attempt in range(ROUNDS):
            target = tightened(relaxation, shares, slack)
            if allowed is not None:
                target = replace(target, allowed=target.allowed & allowed)
            bounded = bound_again(target, start, self.deadline)
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
            dealt = self.incumbent.offer_placement(placement)
            if dealt is None or self.incumbent.objective <= start.lower_bound + self.absolute_gap:
                return
            schedule, evaluation = dealt
            if self.deadline.passed() or evaluation.feasible:
                return
            shares = self._less(shares, schedule, STEP * GROWTH**attempt)
            for unit, cap in self.problem.limits.caps.items():
                over = (evaluation.total(self.problem, unit) or 0.0) - cap
                slack[CAP_NAMES[unit]] = slack.get(CAP_NAMES[unit], 0.0) + OVERSHOOT * max(
                    0.0, over
                )
            allowed = self._timely(schedule)

    def _first_shares(self) -> FloatArray:
        """Share of each pool's time that requests may fill, shape (pools,)."""
        shares = np.ones(len(self.problem.pools))
        for k, index in enumerate(self.problem.pool_of.tolist()):
            end = min(self.problem.pools[index].end_s, float(self.problem.deadline_s.max()))
            slot_s = float(self.problem.costs.device_seconds[:, k].mean())
            slot_s *= self.problem.placements[k].concurrency
            shares[index] = min(shares[index], 1.0 - min(MOST_ROOM, slot_s / end))
        return shares

    def _less(self, shares: FloatArray, schedule: Schedule, least: float) -> FloatArray:
        """Lower the shares by as much as each pool's requests were late, and a little more."""
        late = latenesses(self.problem, schedule)
        less = shares - np.maximum(OVERSHOOT * late, least)
        return np.where(late > 0.0, np.maximum(0.3, less), shares)

    def _timely(self, schedule: Schedule) -> np.ndarray | None:
        if (self.problem.concurrency == 1.0).all():
            return None
        return timely(self.problem, schedule)


def tightened(
    relaxation: AssignmentProblem, shares: FloatArray, slack: Mapping[str, float]
) -> AssignmentProblem:
    """Return the relaxation with less room in each pool and below each cap, by its name."""

    def bound_of(name: str, bound: float, pool: int | None) -> float:
        if pool is not None:
            return bound * float(shares[pool])
        return bound - slack.get(name, 0.0)

    rows = tuple(
        replace(row, bound=bound_of(row.name, row.bound, row.pool)) for row in relaxation.rows
    )
    return replace(relaxation, rows=rows)
