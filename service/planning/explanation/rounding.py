"""From a relaxed assignment to whole requests: those that hang in the balance are decided anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from costmodel.arrays import BoolArray, IntArray
from service.planning.bounds.assignment_problem import AssignmentProblem
from service.planning.bounds.bounding import Bounded
from service.planning.bounds.cells import round_counts
from service.planning.bounds.linear import solve_linear
from service.planning.clock import Deadline
from service.planning.search.cpsat import Effort, solve_assignment
from service.planning.search.improvement import CORE_PAIRS, hardest_requests, restrict
from service.planning.search.repair import repair

CELLED_PAIRS = 12_000
"""(request, placement) pairs above which the relaxation saw cells and not requests."""
CRITICAL_PAIRS = 4_000
"""Pairs of least regret that a second linear programme decides: a second or so."""
EFFORT_S = 0.15
"""Deterministic seconds of CP-SAT: about half a second."""
NEAR = 1e-4
"""Gap to the relaxation, as a share, at which CP-SAT may stop."""


@dataclass(frozen=True)
class Rounding:
    """Rounds relaxed assignments within a deadline; the same seed gives the same assignment."""

    deadline: Deadline
    seed: int = 0

    def round(self, problem: AssignmentProblem, found: Bounded) -> IntArray:
        """Return a placement for each request, shape (n,), that keeps the rows where it can."""
        sharpened = self._sharpen(problem, found)
        return self._decide(problem, sharpened)

    def _sharpen(self, problem: AssignmentProblem, found: Bounded) -> Bounded:
        """Solve the relaxation again for single requests: cells hide who in them is worth it.

        Whoever is far from the balance stays; the others are decided by a linear programme over
        their pairs of least regret.
        """
        n, k = problem.cost.shape
        if n * k <= CELLED_PAIRS:
            return found
        rows = np.arange(n)
        regret = found.reduced - found.reduced[rows, found.placement][:, None]
        regret[rows, found.placement] = np.inf
        close = _least_regrets(regret)
        close[rows, found.placement] = True
        core = np.flatnonzero(close.sum(axis=1) > 1)
        placement = found.placement.copy()
        part = restrict(problem, core, placement)
        part = replace(part, allowed=part.allowed & close[core])
        solution = solve_linear(part, self.deadline)
        if solution is None:
            return found
        chosen = round_counts(solution.counts, np.arange(len(core)), found.reduced[core])
        placement[core] = chosen
        return replace(found, placement=placement, variables=solution.variables)

    def _decide(self, problem: AssignmentProblem, found: Bounded) -> IntArray:
        """Let CP-SAT decide the requests that are hardest to tell apart."""
        size = max(1, CORE_PAIRS // max(1, int(problem.allowed.sum(axis=1).mean())))
        core = hardest_requests(found, size)
        part = restrict(problem, core, found.placement)
        placement = found.placement.copy()
        placement[core] = repair(part, placement[core], found.variables)
        hint = np.zeros(part.cost.shape)
        hint[np.arange(len(core)), placement[core]] = 1.0
        effort = Effort(
            seconds=self.deadline.left_s,
            deterministic_seconds=EFFORT_S,
            absolute_gap=NEAR * abs(found.lower_bound),
            enough=found.lower_bound + 2.0 * NEAR * abs(found.lower_bound),
            seed=self.seed,
        )
        assignment = solve_assignment(part, effort, hint)
        self.deadline.cut |= assignment.clock_cut
        if assignment.counts is not None:
            placement[core] = assignment.counts.argmax(axis=1)
        return placement


def _least_regrets(regret: np.ndarray) -> BoolArray:
    """Mark the pairs that cost least more than where their request is, shape (n, k)."""
    pairs = min(CRITICAL_PAIRS, regret.size) - 1
    edge = np.partition(regret, pairs, axis=None)[pairs]
    return np.asarray(regret <= edge) & np.isfinite(regret)
