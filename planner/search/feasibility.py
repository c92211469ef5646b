"""Small batches for which nothing else found a plan: move requests until no limit is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import BoolArray, IntArray
from planner.problem import PlacementProblem
from planner.schedule.schedule import Schedule, lay_out
from planner.search.incumbent import Incumbent
from planner.time_budget import TimeBudget

MAX_WALK_REQUESTS = 500
"""Requests up to which a schedule is dispatched in milliseconds."""
WALK_ROUNDS = 6
PLACEMENT_TRIES, DEVICE_TRIES = 250, 1_500
"""Tries of either walk in a round: an assignment to placements has to be dispatched."""
ACCEPTANCE_LENGTH = 30
"""Tries after which an excess is forgotten: a try may be as bad as the one so long ago."""
GROUP_SHARE = 0.1
"""Share of the tries that move many requests of a placement at once, so that it may be left."""
SWAP_SHARE = 0.3
"""Share of the tries that swap two requests, which keeps the counts of shares."""


@dataclass(frozen=True)
class FeasibilitySearch:
    """Walks from the least broken schedule by late acceptance hill climbing on the excess.

    Walks over placements, each dispatched, and walks over single devices alternate.
    Source: Burke and Bykov, The late acceptance hill-climbing heuristic, EJOR 258(1), 2017.
    """

    problem: PlacementProblem
    incumbent: Incumbent
    budget: TimeBudget
    seed: int

    def run(self) -> None:
        """Look for a schedule that keeps every limit; the incumbent takes it."""
        for attempt in range(WALK_ROUNDS if self.problem.n <= MAX_WALK_REQUESTS else 0):
            rng = np.random.default_rng([self.seed, attempt])
            for walk in (self._over_placements, self._over_devices):
                if self.incumbent.nearest is not None:
                    walk(rng, *self.incumbent.nearest)

    def _over_placements(self, rng: np.random.Generator, start: Schedule, excess: float) -> None:
        walk = Walk(start.placement.copy(), excess)
        for candidate in _candidates(rng, walk.at, self.problem.eligible, PLACEMENT_TRIES):
            if self._over():
                return
            walk.offer(candidate, self.incumbent.evaluate_placement(candidate).excess)

    def _over_devices(self, rng: np.random.Generator, start: Schedule, excess: float) -> None:
        """Walk over pairs of placement and device, numbered one device after the other.

        Devices of a pool are alike, so that no more of them count than there are requests, beside
        those that requests are pinned to.
        """
        pinned = self.problem.pinned_device[:, None]
        numbers = np.unique([*range(self.problem.n), *start.device, *pinned[pinned >= 0]])
        pools = self.problem.pools
        counts = np.searchsorted(numbers, [pools[p].count for p in self.problem.pool_of])
        first = np.cumsum(counts) - counts
        placement = np.repeat(np.arange(self.problem.k), counts)
        device = numbers[np.arange(len(placement)) - first[placement]]
        eligible = self.problem.eligible[:, placement]
        eligible &= (pinned < 0) | (pinned == device[None, :])
        walk = Walk(first[start.placement] + np.searchsorted(numbers, start.device), excess)
        for candidate in _candidates(rng, walk.at, eligible, DEVICE_TRIES):
            if self._over():
                return
            schedule = lay_out(self.problem, placement[candidate], device[candidate])
            walk.offer(candidate, self.incumbent.offer(schedule).excess)

    def _over(self) -> bool:
        return self.incumbent.schedule is not None or self.budget.spent()


class Walk:
    """The state of a late acceptance walk: `at` is its assignment, (n,), changed in place."""

    def __init__(self, at: IntArray, excess: float) -> None:
        self.at = at
        self._excess = excess
        self._recent = [excess] * ACCEPTANCE_LENGTH
        self._tries = 0

    def offer(self, candidate: IntArray, excess: float) -> None:
        """Go to a candidate if it is no worse than here, or than where the walk was before."""
        index = self._tries % ACCEPTANCE_LENGTH
        if excess <= self._excess or excess <= self._recent[index]:
            self.at[:], self._excess = candidate, excess
        self._recent[index] = self._excess
        self._tries += 1


def _candidates(
    rng: np.random.Generator, current: IntArray, eligible: BoolArray, tries: int
) -> Iterator[IntArray]:
    """Yield assignments near the current one, which the walk moves on in place."""
    n = len(current)
    for kind in rng.random(tries).tolist():
        candidate = current.copy()
        one, other = rng.integers(0, n, 2).tolist()
        destination = int(rng.choice(np.flatnonzero(eligible[one])))
        source = int(current[one])
        if kind < GROUP_SHARE:
            some = (current == source) & eligible[:, destination]
            candidate[some & (rng.random(n) < rng.random())] = destination
        elif kind < GROUP_SHARE + SWAP_SHARE:
            partner = int(current[other])
            if eligible[one, partner] and eligible[other, source]:
                candidate[one], candidate[other] = partner, source
        else:
            candidate[one] = destination
        if (candidate != current).any():
            yield candidate
