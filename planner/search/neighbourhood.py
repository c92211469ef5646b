"""Other starts and moves where whole blocks matter: loads, longest jobs, few devices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, combinations

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from planner.bounds.bounding import bound
from planner.bounds.formulation import Formulation
from planner.bounds.lagrangian import LagrangianSolution
from planner.inputs import Limits
from planner.quantities import Limited, PlanCost
from planner.schedule.evaluation import Evaluation
from planner.schedule.schedule import lay_out
from planner.search import packing
from planner.search.candidates import least_joule_columns
from planner.search.greedy_repair import greedy_repair
from planner.search.improvement import Improvement
from planner.solvers.assignment_problem import AssignmentProblem
from planner.solvers.cpsat import Effort, solve_assignment

PACKING_EFFORT_S = 4.0
"""Deterministic seconds of CP-SAT on single devices."""
MAX_COLUMNS = 12
MAX_BLOCK_MOVES = 200
MAX_CUTOFFS = 24
MAX_CAP_ROUNDS = 8
"""Times that caps are lowered, for longest jobs and loads that the rows do not see."""


@dataclass(frozen=True)
class Neighbourhood(Improvement):
    """Looks around the incumbent, with a fixed number of tries."""

    relaxation: AssignmentProblem

    def within_cutoffs(self, optima: tuple[LagrangianSolution, ...]) -> None:
        """Plan with each placement's longest request no longer than in a relaxed optimum."""
        output = self.problem.requests.workload.output_tokens
        for optimum in optima[:MAX_CUTOFFS]:
            if self.budget.spent():
                return
            cutoff = np.zeros(self.problem.k)
            np.maximum.at(cutoff, optimum.placement, output)
            self._within(output[:, None] <= cutoff[None, :])

    def few_placements(self) -> None:
        """Plan over one or two placements alone: each one more costs a load or a longest job."""
        columns = least_joule_columns(self.problem).tolist()[:MAX_COLUMNS]
        for chosen in chain(combinations(columns, 1), combinations(columns, 2)):
            if self.budget.spent():
                return
            self._within(np.isin(np.arange(self.problem.k), chosen)[None, :])

    def _within(self, allowed: BoolArray) -> None:
        part = replace(self.relaxation, allowed=self.relaxation.allowed & allowed, longest_jobs=())
        if not part.allowed.any(axis=1).all():
            return
        slack, impossible = 0.0, np.inf
        over_at = 0.0
        for _ in range(MAX_CAP_ROUNDS):
            capped = _with_lower_caps(part, self.problem.limits, slack)
            found = bound(capped, self.problem.requests.workload, self.budget)
            if self.budget.spent():
                return
            if found is None:
                if slack == 0.0:
                    return
                impossible = slack
            elif found.lower_bound >= self.incumbent.objective:
                return
            else:
                placement = greedy_repair(capped, found.placement, found.variables)
                over = self._over_caps(self.incumbent.evaluate_placement(placement))
                if over <= 0.0:
                    return
                over_at, slack = slack, slack + 1.05 * over
            slack = min(slack, 0.5 * (over_at + impossible))

    def _over_caps(self, evaluation: Evaluation) -> float:
        """Share by which a cap is exceeded most, by what the rows did not see."""
        over = [
            (evaluation.total(self.problem, unit) or 0.0) / max(cap, 1e-12) - 1.0
            for unit, cap in self.problem.limits.caps.items()
        ]
        return max(over, default=-np.inf)

    def each_placement(self) -> None:
        """Give all requests to one placement, each in turn."""
        for k in range(self.problem.k):
            if self.problem.eligible[:, k].all() and not self.budget.spent():
                everywhere = np.full(self.problem.n, k, dtype=np.int64)
                if self._lower_bound(everywhere) < self.incumbent.objective:
                    self.incumbent.offer_placement(everywhere)

    def pack(self) -> float:
        """Assign a small batch to single devices; return a bound where that is exact."""
        if not packing.small_enough(self.problem):
            return -np.inf
        split, placement, device = packing.split_pools(self.problem)
        relaxation = Formulation(split).build()
        hint = self._packed_hint(placement, device)
        effort = Effort(
            seconds=self.budget.left_s,
            deterministic_seconds=PACKING_EFFORT_S,
            absolute_gap=0.25 * self.absolute_gap,
            seed=self.seed,
        )
        assignment = solve_assignment(relaxation, effort, hint)
        self.budget.cut |= assignment.clock_cut
        if assignment.counts is not None:
            chosen = assignment.counts.argmax(axis=1)
            self.incumbent.offer(lay_out(self.problem, placement[chosen], device[chosen]))
            self.incumbent.offer_placement(placement[chosen])
        return assignment.bound if packing.is_exact(self.problem) else -np.inf

    def _packed_hint(self, placement: IntArray, device: IntArray) -> FloatArray | None:
        schedule = self.incumbent.schedule
        if schedule is None:
            return None
        same = schedule.placement[:, None] == placement[None, :]
        return np.asarray(same & (schedule.device[:, None] == device[None, :]), dtype=float)

    def shift_down(self) -> None:
        """Take a lower concurrency of the same LLM and pool where that costs no joules more.

        A block that never fills its slots only loses time by having more of them.
        """
        schedule = self.incumbent.schedule
        if schedule is None:
            return
        placements = self.problem.placements
        for source in np.unique(schedule.placement).tolist():
            lower = [
                k
                for k, p in enumerate(placements)
                if (p.llm, p.pool) == (placements[source].llm, placements[source].pool)
                and p.concurrency < placements[source].concurrency
            ]
            for destination in lower:
                current = self.incumbent.schedule
                if current is not None and not self.budget.spent():
                    there = current.placement == source
                    self.incumbent.offer_placement(np.where(there, destination, current.placement))

    def moves(self) -> None:
        """Move all requests of a placement, or its longest, to another one."""
        left = MAX_BLOCK_MOVES
        improved = True
        while improved and self.incumbent.schedule is not None:
            start = self.incumbent.objective
            for candidate in self._moved(self.incumbent.schedule.placement):
                if left == 0 or self.budget.spent():
                    return
                if self._lower_bound(candidate) < self.incumbent.objective:
                    left -= 1
                    self.incumbent.offer_placement(candidate)
            improved = self.incumbent.objective < start

    def _moved(self, placement: IntArray) -> list[IntArray]:
        output = self.problem.requests.workload.output_tokens
        found = []
        for source in np.unique(placement).tolist():
            members = np.flatnonzero(placement == source)
            longest = members[np.argsort(-output[members], kind="stable")]
            for destination in range(self.problem.k):
                for share in (1.0, 0.3, 0.1, 0.03):
                    some = longest[: max(1, int(share * len(longest)))]
                    movable = some[self.problem.eligible[some, destination]]
                    if destination != source and len(movable):
                        moved = placement.copy()
                        moved[movable] = destination
                        found.append(moved)
        return found

    def _lower_bound(self, placement: IntArray) -> float:
        """Return a lower bound on what an assignment costs, before it is dispatched."""
        relaxation = self.relaxation
        rows = np.arange(len(placement))
        if not relaxation.allowed[rows, placement].all():
            return np.inf
        total = relaxation.constant + float(relaxation.cost[rows, placement].sum())
        prices = {v.counts: v.cost for v in relaxation.variables}
        for job in relaxation.longest_jobs:
            there = placement == job.column
            if there.any():
                full = job.values[there].sum() / self.problem.concurrency[job.column]
                total += prices[job.variable] * max(full, job.values[there].max())
        return total


def _with_lower_caps(problem: AssignmentProblem, limits: Limits, share: float) -> AssignmentProblem:
    """Return the problem with every cap lowered by a share of it."""
    less: dict[Limited, float] = {PlanCost(unit): share * cap for unit, cap in limits.caps.items()}
    rows = tuple(replace(row, bound=row.bound - less.get(row.limits, 0.0)) for row in problem.rows)
    return replace(problem, rows=rows)
