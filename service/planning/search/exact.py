"""Exact search of the dealt-out problem, for batches of a few requests."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from costmodel.arrays import FloatArray
from service.planning.bounds.assignment_problem import AssignmentProblem
from service.planning.clock import Deadline
from service.planning.problem import PlacementProblem
from service.planning.schedule.evaluation import Evaluation, evaluate
from service.planning.schedule.schedule import Schedule, lay_out

MOST_REQUESTS = 8
MOST_DEALS = 2e7
"""Deals, before any is ruled out, that a search is tried on."""
MOST_LEAVES = 4_000
"""Complete deals that a search may lay out and evaluate: about two seconds."""
MOST_NODES = 100_000


def small_enough(problem: PlacementProblem) -> bool:
    """Whether a search has a fair chance to go through all deals."""
    if problem.n > MOST_REQUESTS:
        return False
    counts = np.array([problem.pools[p].count for p in problem.pool_of])
    options = [float(np.minimum(counts[row], problem.n).sum()) for row in problem.eligible]
    return float(np.prod(options)) <= MOST_DEALS


@dataclass
class Search:
    """Goes through every (placement, device) of every request, skipping what cannot be better.

    Devices of a pool are interchangeable, so they are taken in the order of their first use.

    Attributes
    ----------
    incumbent
        Objective to beat, inf where no plan is known.
    best
        The best schedule found that keeps every limit and beats the incumbent.
    complete
        After `run`: whether every deal was looked at or ruled out by its bound.
    """

    problem: PlacementProblem
    relaxation: AssignmentProblem
    incumbent: float
    deadline: Deadline
    best: tuple[Schedule, Evaluation] | None = None
    complete: bool = True
    _leaves: int = field(default=MOST_LEAVES, repr=False)
    _nodes: int = field(default=MOST_NODES, repr=False)

    def run(self) -> Search:
        """Search and return self."""
        problem, relaxation = self.problem, self.relaxation
        self._cost: FloatArray = np.where(relaxation.allowed, relaxation.cost, np.inf)
        least = self._cost.min(axis=1)
        self._rest = np.concatenate([np.cumsum(least[::-1])[::-1], [0.0]])
        self._fixed = relaxation.constant
        self._fixed += sum(min(v.cost * v.lower, v.cost * v.upper) for v in relaxation.variables)
        self._placement = np.zeros(problem.n, dtype=np.int64)
        self._device = np.zeros(problem.n, dtype=np.int64)
        self._used = [0] * len(problem.pools)
        self._extend(0, 0.0)
        return self

    def _extend(self, depth: int, paid: float) -> None:
        if not self.complete or self._hopeless(paid + self._rest[depth]):
            return
        self._nodes -= 1
        if self._nodes < 0 or (self._nodes % 64 == 0 and self.deadline.passed()):
            self.complete = False
            return
        if depth == self.problem.n:
            self._judge()
            return
        for k in np.argsort(self._cost[depth], kind="stable").tolist():
            if np.isfinite(self._cost[depth, k]):
                self._on_each_device(depth, paid + float(self._cost[depth, k]), k)

    def _on_each_device(self, depth: int, paid: float, k: int) -> None:
        pool = self.problem.placements[k].pool
        used = self._used[pool]
        for device in range(min(used + 1, self.problem.pools[pool].count)):
            self._placement[depth], self._device[depth] = k, device
            self._used[pool] = max(used, device + 1)
            self._extend(depth + 1, paid)
        self._used[pool] = used

    def _hopeless(self, floor: float) -> bool:
        total = self._fixed + floor
        return not total < self.incumbent - 1e-12 * max(1.0, abs(total))

    def _judge(self) -> None:
        self._leaves -= 1
        if self._leaves < 0 or (self._leaves % 16 == 0 and self.deadline.passed()):
            self.complete = False
            return
        schedule = lay_out(self.problem, self._placement.copy(), self._device.copy())
        evaluation = evaluate(self.problem, schedule)
        if evaluation.feasible and evaluation.objective < self.incumbent:
            self.best, self.incumbent = (schedule, evaluation), evaluation.objective
