"""An objective of ordinary size: tolerances of solvers are absolute, and normalisers may be any.

With a normaliser of 1e15 all plans differ by less than any solver can see.
"""

from __future__ import annotations

from dataclasses import replace
from math import frexp

from planner.problem import PlacementProblem
from planner.progress import OnProgress, Progress
from planner.result import Plan


def objective_unit(problem: PlacementProblem) -> float:
    """Return the size of the largest single pair's objective, as a power of two; 1 where it is 0.

    It is 1 for the default normalisers.
    """
    zeta = problem.objective.zeta
    size = zeta * problem.largest_cost / problem.cost_normaliser
    size += (1.0 - zeta) * problem.largest_quality / problem.quality_normaliser
    return 1.0 if 0.5 <= size <= 2.0 or size == 0.0 else 2.0 ** frexp(size)[1]


def in_units(problem: PlacementProblem, unit: float) -> PlacementProblem:
    """Return the problem with its objective divided by a unit."""
    objective = replace(
        problem.objective,
        cost_normaliser=problem.cost_normaliser * unit,
        quality_normaliser=problem.quality_normaliser * unit,
    )
    return replace(problem, objective=objective)


def restated(plan: Plan, problem: PlacementProblem, unit: float) -> Plan:
    """Return a plan of the problem in units in the objective of the problem itself."""
    return replace(
        plan,
        objective=plan.objective * unit,
        lower_bound=plan.lower_bound * unit,
        absolute_gap=plan.absolute_gap * unit,
        cost_normaliser=problem.cost_normaliser,
        quality_normaliser=problem.quality_normaliser,
        shadow_prices=tuple(
            replace(price, objective=price.objective * unit) for price in plan.shadow_prices
        ),
        row_prices={row: price * unit for row, price in plan.row_prices.items()},
    )


def restating(on_progress: OnProgress, unit: float) -> OnProgress:
    """Return a callback for the progress of the problem in units."""

    def in_own_units(progress: Progress) -> None:
        found, lower = progress.incumbent, progress.lower_bound
        on_progress(
            replace(
                progress,
                incumbent=None if found is None else found * unit,
                lower_bound=None if lower is None else lower * unit,
            )
        )

    return in_own_units
