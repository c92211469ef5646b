"""Exact search over all schedules, for batches of a few requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from costmodel.arrays import FloatArray
from planner.problem import COUNT_TOLERANCE, PlacementProblem
from planner.schedule.evaluation import Evaluation, evaluate
from planner.schedule.schedule import Schedule, lay_out
from planner.solvers.assignment_problem import AssignmentProblem
from planner.time_budget import TimeBudget

MAX_EXACT_REQUESTS = 8
MAX_ASSIGNMENTS = 2e7
"""Largest number of (placement, device) assignments, before any is ruled out, to search."""
MAX_LEAVES = 4_000
"""Complete assignments that a search may lay out and evaluate: about two seconds."""
MAX_LEAVES_WITHOUT_A_PLAN = 20_000
"""Complete assignments to evaluate where no plan is known: the search decides if there is one."""
MAX_NODES = 100_000


def small_enough(problem: PlacementProblem) -> bool:
    """Whether a search has a fair chance to go through all assignments."""
    if problem.n > MAX_EXACT_REQUESTS:
        return False
    devices = np.array([len(_pinned_first(problem, pool)[1]) for pool in problem.pool_of])
    maximum = np.where(problem.pinned_device[:, None] >= 0, 1, devices[None, :])
    return float(np.prod((problem.eligible * maximum).sum(axis=1, dtype=float))) <= MAX_ASSIGNMENTS


def _pinned_first(problem: PlacementProblem, pool: int) -> tuple[int, list[int]]:
    """Number of devices of a pool with pinned requests; they come first, then others of use."""
    count = problem.pools[pool].count
    named = [d for d in np.unique(problem.pinned_device).tolist() if 0 <= d < count]
    others = (d for d in range(count) if d not in named)
    return len(named), named + list(islice(others, problem.n))


class _Rows:
    """The rows of a relaxation, to prune where the requests so far already break one.

    `values`, (rows, n, k), are the coefficients, `nothing`, (rows,), what no request uses of each
    row.
    """

    def __init__(self, problem: AssignmentProblem) -> None:
        shape = (len(problem.rows), problem.n, problem.k)
        self.values = np.empty(shape)
        self._room, self.nothing = np.empty(len(problem.rows)), np.zeros(len(problem.rows))
        for r, row in enumerate(problem.rows):
            self.values[r] = problem.coefficients(row).over(problem.k)
            self._room[r] = row.bound - problem.min_of_variables(row)
        at_least = np.where(problem.allowed, self.values, np.inf).min(axis=2)
        later = np.cumsum(at_least[:, ::-1], axis=1)[:, ::-1]
        self._rest = np.concatenate([later, np.zeros((len(problem.rows), 1))], axis=1)
        self._slack = COUNT_TOLERANCE * (np.abs(self._room) + np.abs(self.values).sum(axis=(1, 2)))

    def broken(self, used: FloatArray, depth: int) -> bool:
        """Whether what the first `depth` requests use leaves too little for the others."""
        return bool((used + self._rest[:, depth] > self._room + self._slack).any())


@dataclass
class Search:
    """Goes through every (placement, device) of every request, skipping what cannot be better.

    Devices of a pool that no request is pinned to are interchangeable, so they are taken in the
    order of their first use. `best` is the best schedule found that keeps every limit and beats the
    objective `incumbent`, inf where no plan is known. After `run`, `complete` says whether every
    assignment was evaluated or ruled out by its bound.
    """

    problem: PlacementProblem
    relaxation: AssignmentProblem
    incumbent: float
    budget: TimeBudget
    best: tuple[Schedule, Evaluation] | None = None
    complete: bool = True
    _nodes: int = field(default=MAX_NODES, repr=False)

    def run(self) -> Search:
        """Search and return self."""
        problem, relaxation = self.problem, self.relaxation
        self._leaves = MAX_LEAVES if np.isfinite(self.incumbent) else MAX_LEAVES_WITHOUT_A_PLAN
        self._rows = _Rows(relaxation)
        self._cost: FloatArray = np.where(relaxation.allowed, relaxation.cost, np.inf)
        minimum = self._cost.min(axis=1)
        self._rest = np.concatenate([np.cumsum(minimum[::-1])[::-1], [0.0]])
        self._fixed = relaxation.constant
        self._fixed += sum(min(v.cost * v.lower, v.cost * v.upper) for v in relaxation.variables)
        self._placement = np.zeros(problem.n, dtype=np.int64)
        self._device = np.zeros(problem.n, dtype=np.int64)
        self._used = [0] * len(problem.pools)
        self._devices = [_pinned_first(problem, pool) for pool in range(len(problem.pools))]
        self._extend(0, 0.0, self._rows.nothing)
        return self

    def _extend(self, depth: int, paid: float, used: FloatArray) -> None:
        if not self.complete or self._hopeless(paid + self._rest[depth]):
            return
        if self._rows.broken(used, depth):
            return
        self._nodes -= 1
        if self._nodes < 0 or (self._nodes % 64 == 0 and self.budget.spent()):
            self.complete = False
            return
        if depth == self.problem.n:
            self._judge()
            return
        for k in np.argsort(self._cost[depth], kind="stable").tolist():
            if np.isfinite(self._cost[depth, k]):
                more = self._rows.values[:, depth, k]
                self._on_each_device(depth, paid + float(self._cost[depth, k]), used + more, k)

    def _on_each_device(self, depth: int, paid: float, taken: FloatArray, k: int) -> None:
        pool = self.problem.placements[k].pool
        used, pinned = self._used[pool], int(self.problem.pinned_device[depth])
        named, devices = self._devices[pool]
        for position, device in enumerate(devices[: named + used + 1]):
            if pinned in (-1, device):
                self._placement[depth], self._device[depth] = k, device
                self._used[pool] = max(used, position + 1 - named)
                self._extend(depth + 1, paid, taken)
        self._used[pool] = used

    def _hopeless(self, lower: float) -> bool:
        total = self._fixed + lower
        return not total < self.incumbent - 1e-12 * max(1.0, abs(total))

    def _judge(self) -> None:
        self._leaves -= 1
        if self._leaves < 0 or (self._leaves % 16 == 0 and self.budget.spent()):
            self.complete = False
            return
        schedule = lay_out(self.problem, self._placement.copy(), self._device.copy())
        evaluation = evaluate(self.problem, schedule)
        if evaluation.feasible and evaluation.objective < self.incumbent:
            self.best, self.incumbent = (schedule, evaluation), evaluation.objective
