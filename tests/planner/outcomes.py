"""What the planner makes of a problem, without the explanations of what would mend it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.problem import PlacementProblem
from planner.reporting import OPTIMAL_GAP, gap_unit
from planner.result import SolverOptions
from planner.schedule.schedule import Schedule
from planner.search.solver import Solver
from planner.time_budget import TimeBudget


@dataclass(frozen=True)
class Outcome:
    """A schedule with its bound, a proof that there is none, or neither."""

    schedule: Schedule | None
    objective: float
    lower_bound: float
    gap: float
    infeasible: bool

    @property
    def proven(self) -> bool:
        return self.infeasible or self.gap <= OPTIMAL_GAP


def solve(
    problem: PlacementProblem, time_limit_s: float = 20.0, relative_gap: float = 1e-7
) -> Outcome:
    options = SolverOptions(time_limit_s, relative_gap)
    solver = Solver(problem, options, TimeBudget(time_limit_s))
    solver.run()
    solver.run_heuristics()
    schedule, evaluation = solver.incumbent.schedule, solver.incumbent.evaluation
    if schedule is None or evaluation is None:
        return Outcome(None, np.inf, np.inf, np.inf, solver.proven_infeasible)
    assert not solver.proven_infeasible
    missing = evaluation.objective - solver.lower_bound
    unit = gap_unit(problem, evaluation)
    gap = missing / unit if unit > 0.0 else (0.0 if missing <= 0.0 else np.inf)
    return Outcome(schedule, evaluation.objective, solver.lower_bound, gap, infeasible=False)
