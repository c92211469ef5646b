"""Small batches for which nothing else found a plan: move requests until no limit is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import IntArray
from service.planning.clock import Deadline
from service.planning.problem import PlacementProblem
from service.planning.search.incumbent import Incumbent

MOST_REQUESTS = 500
"""Requests up to which a schedule is dealt out in milliseconds."""
MOST_TRIES = 4_000
MEMORY = 30
"""Tries after which an excess is forgotten: a try may be as bad as the one so long ago."""
GROUP_SHARE = 0.1
"""Share of the tries that move many requests of a placement at once, so that it may be left."""
SWAP_SHARE = 0.3
"""Share of the tries that swap two requests, which keeps the counts of shares."""


@dataclass(frozen=True)
class FeasibilitySearch:
    """Walks from the least broken assignment by late acceptance hill climbing on the excess.

    Source: Burke and Bykov, The late acceptance hill-climbing heuristic, EJOR 258(1), 2017.
    """

    problem: PlacementProblem
    incumbent: Incumbent
    deadline: Deadline
    seed: int

    def run(self) -> None:
        """Look for a schedule that keeps every limit; the incumbent takes it."""
        nearest = self.incumbent.nearest
        if nearest is None or self.problem.n > MOST_REQUESTS:
            return
        current, excess = nearest
        recent = [excess] * MEMORY
        for attempt, candidate in enumerate(self._candidates(current)):
            if self.deadline.passed() or self.incumbent.schedule is not None:
                return
            found = self.incumbent.evaluate_placement(candidate).excess
            if found <= excess or found <= recent[attempt % MEMORY]:
                current[:], excess = candidate, found
            recent[attempt % MEMORY] = excess

    def _candidates(self, current: IntArray) -> Iterator[IntArray]:
        """Yield assignments near the current one, which the caller moves on in place."""
        rng = np.random.default_rng(self.seed)
        eligible = self.problem.eligible
        for kind in rng.random(MOST_TRIES).tolist():
            candidate = current.copy()
            one, other = rng.integers(0, self.problem.n, 2).tolist()
            target = int(rng.choice(np.flatnonzero(eligible[one])))
            source = int(current[one])
            if kind < GROUP_SHARE:
                some = (current == source) & eligible[:, target]
                candidate[some & (rng.random(self.problem.n) < rng.random())] = target
            elif kind < GROUP_SHARE + SWAP_SHARE:
                partner = int(current[other])
                if eligible[one, partner] and eligible[other, source]:
                    candidate[one], candidate[other] = partner, source
            else:
                candidate[one] = target
            if (candidate != current).any():
                yield candidate
