"""Random problems that mix every constraint, judged by the rules written out slowly.

`make test` goes through the first of them, `make heavy` through 500 and more.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.slow_rules.exhaustive import best
from benchmarks.slow_rules.pricing import price
from planner.eligibility import find_unplaceable
from planner.problem import PlacementProblem
from tests.planner.mixed_instances import MIDDLE, SMALL, TINY, mixed_problem
from tests.planner.outcomes import Outcome, solve
from tests.planner.witnesses import witnessed

TOLERANCE = 1e-8
FEW_ASSIGNMENTS = 1_500
MANY_ASSIGNMENTS = 20_000


def assignment_count(problem: PlacementProblem) -> int:
    """How many assignments there are, equal devices distinguished."""
    counts = np.array([problem.pools[p].count for p in problem.pool_of])
    return math.prod((problem.eligible * counts).sum(axis=1).tolist())


def assert_plan_is_sound(problem: PlacementProblem, found: Outcome) -> None:
    """No violation, the objective as stated, the bound not above it."""
    assert found.schedule is not None
    slow = price(problem, found.schedule.placement.tolist(), found.schedule.device.tolist())
    tolerance = TOLERANCE * max(1.0, abs(found.objective))
    assert slow["keeps"]
    assert slow["objective"] == pytest.approx(found.objective, abs=tolerance)
    assert slow["end"] == pytest.approx(found.schedule.end_s)
    assert found.lower_bound <= found.objective + tolerance


def check_any(seed: int, max_assignments: int, time_limit_s: float) -> None:
    """A plan is sound; a bound or an infeasibility proof holds against all assignments, if few."""
    size = (TINY, SMALL, SMALL, MIDDLE)[seed % 4]
    problem = mixed_problem(seed, size)
    if find_unplaceable(problem):
        assert not problem.eligible.any(axis=1).all()
        return
    large = size is MIDDLE
    limit_s = time_limit_s if large else 20.0
    found = solve(problem, limit_s, relative_gap=1e-3 if large else 1e-6)
    if found.schedule is not None:
        assert_plan_is_sound(problem, found)
    if assignment_count(problem) > max_assignments:
        return
    optimum = best(problem)
    if optimum is None:
        assert found.schedule is None
        return
    assert not found.infeasible
    assert found.objective == pytest.approx(optimum, rel=1e-6, abs=TOLERANCE)
    assert found.lower_bound <= optimum + TOLERANCE * max(1.0, abs(optimum))


def check_with_a_plan(seed: int, tightness: float, relative_gap: float) -> bool:
    """Where a plan is known, none is said to be impossible and no bound is above it.

    Returns
    -------
    bool
        Whether a plan was found.
    """
    known = witnessed(seed, MIDDLE, tightness)
    if known is None:
        return True
    found = solve(known.problem, time_limit_s=20.0, relative_gap=relative_gap)
    assert not found.infeasible
    if found.schedule is None:
        return False
    assert_plan_is_sound(known.problem, found)
    assert found.lower_bound <= known.objective + TOLERANCE * max(1.0, abs(known.objective))
    return True


@pytest.mark.parametrize("seed", [*range(28), 107])
def test_a_random_mixed_problem_has_a_sound_plan_or_none(seed: int) -> None:
    check_any(seed, FEW_ASSIGNMENTS, time_limit_s=4.0)


@pytest.mark.parametrize("seed", range(12))
def test_no_problem_with_a_plan_is_said_to_have_none(seed: int) -> None:
    assert check_with_a_plan(seed, tightness=0.1, relative_gap=0.5)


@pytest.mark.parametrize("seed", [1027, 1071, 1166])
def test_a_plan_that_only_a_walk_finds_is_found(seed: int) -> None:
    assert check_with_a_plan(seed, tightness=0.03, relative_gap=0.1)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(28, 528))
def test_five_hundred_mixed_problems_have_sound_plans_or_none(seed: int) -> None:
    check_any(seed, MANY_ASSIGNMENTS, time_limit_s=5.0)


@pytest.mark.heavy
@pytest.mark.parametrize("first", range(1000, 1200, 50))
def test_next_to_every_problem_with_a_plan_is_planned(first: int) -> None:
    found = [check_with_a_plan(seed, 0.03, relative_gap=0.1) for seed in range(first, first + 50)]
    assert sum(found) >= 49
