"""From the relaxation to a schedule that keeps every limit: assign, dispatch, evaluate, reprice."""

from __future__ import annotations

from dataclasses import dataclass

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
class Improver:
    """Looks for better schedules until the gap is reached, rounds are used up or time is out."""

    problem: PlacementProblem
    incumbent: Incumbent
    budget: TimeBudget
    seed: int
    absolute_gap: float

    def run(self, relaxation: AssignmentProblem, start: Bounded, surrogate: Surrogate) -> float:
        """Improve the incumbent; return the best lower bound that was proven on the way."""
        lower = start.lower_bound
        bounded, target = start, relaxation
        for attempt in range(REPRICING_ROUNDS):
            assigned, proven = solve_core(
                target,
                bounded,
                self.budget,
                enough=lower + 0.5 * self.absolute_gap,
                absolute_gap=self.absolute_gap,
                seed=self.seed,
            )
            if attempt == 0:
                lower = max(lower, proven)
            offered = self.incumbent.offer_placement(assigned)
            if offered is None or self.incumbent.objective <= lower + self.absolute_gap:
                break
            if self.budget.spent():
                break
            surrogate = reprice(self.problem, surrogate, *offered)
            target = Formulation(self.problem, surrogate).build()
            found = bound(
                target, self.problem.requests.workload, self.budget, absolute_gap=self.absolute_gap
            )
            if found is None:
                break
            bounded = found
        return lower
