"""What improves the incumbent."""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.arrays import IntArray
from planner.bounds.bounding import Bounded
from planner.problem import PlacementProblem
from planner.search.core_problem import solve_core
from planner.search.incumbent import Incumbent
from planner.solvers.assignment_problem import AssignmentProblem
from planner.time_budget import TimeBudget


@dataclass(frozen=True)
class Improvement:
    """Improves the incumbent until the absolute gap is reached, its tries or time are used up."""

    problem: PlacementProblem
    incumbent: Incumbent
    budget: TimeBudget
    seed: int
    absolute_gap: float

    def assign(
        self, relaxation: AssignmentProblem, bounded: Bounded, lower_bound: float
    ) -> tuple[IntArray, float]:
        """Solve the core problem to half of the gap above a bound; see `solve_core`."""
        return solve_core(
            relaxation,
            bounded,
            self.budget,
            enough=lower_bound + 0.5 * self.absolute_gap,
            absolute_gap=self.absolute_gap,
            seed=self.seed,
        )
