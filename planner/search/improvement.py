"""What improves the incumbent, and the way from the relaxation to a schedule by repricing."""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.arrays import IntArray
from planner.bounds.bounding import Bounded, bound
from planner.bounds.formulation import Formulation
from planner.bounds.surrogate import Surrogate
from planner.problem import PlacementProblem
from planner.search.core_problem import solve_core
from planner.search.incumbent import Incumbent
from planner.search.repricing import reprice
from planner.solvers.assignment_problem import AssignmentProblem
from planner.time_budget import TimeBudget

REPRICING_ROUNDS = 3
"""Times that the assignment is repriced from its dispatched schedule."""


@dataclass(frozen=True)
class Improvement:
    """Improves the incumbent until the absolute gap is reached, its tries or time are used up."""

    problem: PlacementProblem
    incumbent: Incumbent
    budget: TimeBudget
    seed: int
    absolute_gap: float

    def assign(
        self, target: AssignmentProblem, bounded: Bounded, lower_bound: float
    ) -> tuple[IntArray, float]:
        """Solve the core problem to half of the gap above a bound; see `solve_core`."""
        return solve_core(
            target,
            bounded,
            self.budget,
            enough=lower_bound + 0.5 * self.absolute_gap,
            absolute_gap=self.absolute_gap,
            seed=self.seed,
        )


class Repricing(Improvement):
    """Assigns, dispatches, evaluates and reprices, again and again."""

    def run(self, relaxation: AssignmentProblem, start: Bounded, surrogate: Surrogate) -> float:
        """Improve the incumbent; return the best lower bound that was proven on the way."""
        lower = start.lower_bound
        bounded, target = start, relaxation
        for attempt in range(REPRICING_ROUNDS):
            assigned, proven = self.assign(target, bounded, lower)
            if attempt == 0:
                lower = max(lower, proven)
            offered = self.incumbent.offer_placement(assigned)
            if offered is None or self.incumbent.objective <= lower + self.absolute_gap:
                break
            if self.budget.spent():
                break
            surrogate = reprice(self.problem, surrogate, *offered)
            target = Formulation(self.problem, surrogate).build()
            workload, gap = self.problem.requests.workload, self.absolute_gap
            found = bound(target, workload, self.budget, absolute_gap=gap)
            if found is None:
                break
            bounded = found
        return lower
