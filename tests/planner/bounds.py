"""The proven lower bound of a problem, and the shadow prices that come with it."""

from __future__ import annotations

from planner.bounds.bounding import bound
from planner.bounds.formulation import Formulation
from planner.problem import PlacementProblem
from planner.sensitivity.prices import shadow_prices
from planner.time_budget import TimeBudget


def lower_bound(problem: PlacementProblem) -> float:
    found = bound(Formulation(problem).build(), problem.requests.workload, TimeBudget(60.0))
    assert found is not None
    return found.lower_bound


def prices_of(problem: PlacementProblem) -> dict[str, float]:
    relaxation = Formulation(problem).build()
    solved = bound(relaxation, problem.requests.workload, TimeBudget(60.0))
    return {p.constraint: p.objective for p in shadow_prices(problem, relaxation, solved)}
