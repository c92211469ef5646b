"""The price of a block's longest request: its dynamic programme and the bounds built on it."""

import itertools

import numpy as np
import pytest

from planner.bounds.bounding import bound
from planner.bounds.formulation import Formulation
from planner.bounds.lagrangian import lagrangian_bound, solve_lagrangian
from planner.bounds.longest_job import cheapest_with_longest_jobs
from planner.inputs import Limits
from planner.schedule.dispatch import dispatch
from planner.schedule.evaluation import evaluate
from planner.time_budget import TimeBudget
from tests.planner.instances import three_llms, workload


def by_enumeration(reduced: np.ndarray, opening: np.ndarray, lengths: np.ndarray) -> float:
    n, k = reduced.shape
    best = np.inf
    for placement in itertools.product(range(k), repeat=n):
        chosen = np.array(placement)
        total = reduced[np.arange(n), chosen].sum()
        total += sum(opening[j] * lengths[chosen == j].max() for j in set(placement))
        best = min(best, total)
    return best


@pytest.mark.parametrize("seed", range(30))
def test_the_longest_request_of_each_placement_is_priced_as_by_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reduced = rng.normal(size=(6, 3))
    reduced[rng.random((6, 3)) < 0.2] = np.inf
    reduced[:, 0] = rng.normal(size=6)
    opening = np.where(rng.random(3) < 0.7, rng.uniform(0, 1, 3), 0.0)
    lengths = rng.integers(1, 50, 6).astype(float)
    found = cheapest_with_longest_jobs(reduced, opening, lengths)
    assert found.total == pytest.approx(by_enumeration(reduced, opening, lengths))
    assert np.isfinite(reduced[np.arange(6), found.placement]).all()


def test_rounding_lengths_down_keeps_the_total_a_lower_bound() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.lognormal(5, 1, 400)
    reduced = rng.uniform(1, 2, (400, 3))
    opening = np.array([0.05, 0.02, 0.0])
    found = cheapest_with_longest_jobs(reduced, opening, lengths)
    paid = reduced[np.arange(400), found.placement].sum()
    paid += sum(
        opening[k] * lengths[found.placement == k].max(initial=0.0) for k in range(len(opening))
    )
    assert found.total <= paid <= 1.05 * found.total


@pytest.mark.parametrize("concurrency", [(64,), (8, 64)])
def test_any_multipliers_bound_every_dispatched_schedule(concurrency: tuple[int, ...]) -> None:
    problem = three_llms(
        workload(150), concurrency=concurrency, limits=Limits(min_mean_quality=0.55)
    )
    relaxation = Formulation(problem).build()
    solved = bound(relaxation, problem.requests.workload, TimeBudget(10.0), ascend=True)
    assert solved is not None
    rng, tried = np.random.default_rng(1), 0
    for _ in range(20):
        few = rng.choice(problem.k, size=2, replace=False)
        evaluation = evaluate(problem, dispatch(problem, rng.choice(few, problem.n)))
        if not evaluation.feasible:
            continue
        tried += 1
        assert solved.lower_bound <= evaluation.objective
        multipliers = solved.multipliers * rng.uniform(0.0, 2.0, len(solved.multipliers))
        assert lagrangian_bound(relaxation, multipliers) <= evaluation.objective
    assert tried > 5


def test_the_excess_of_the_rows_is_a_supergradient_of_the_bound() -> None:
    problem = three_llms(workload(80), concurrency=(8, 64), limits=Limits(min_mean_quality=0.6))
    relaxation = Formulation(problem).build()
    solved = bound(relaxation, problem.requests.workload, TimeBudget(10.0))
    assert solved is not None
    rng = np.random.default_rng(2)
    here = solve_lagrangian(relaxation, solved.multipliers)
    for _ in range(10):
        other = solved.multipliers * rng.uniform(0.5, 1.0, len(solved.multipliers))
        there = solve_lagrangian(relaxation, other)
        tangent = here.value + here.excess @ (other - solved.multipliers)
        assert there.value <= tangent + 1e-9 * abs(tangent)
