"""Batches of thousands: aggregates, sifting, rounding, and reserves for what rows do not see.

Plans are judged by the rules written out slowly, which share no code with the planner.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.slow_rules.pricing import price
from planner.bounds.aggregates import aggregate_requests
from planner.bounds.bounding import bound
from planner.bounds.formulation import Formulation
from planner.bounds.sifting import solve_aggregated
from planner.inputs import Limits, Share
from planner.planning import plan
from planner.quantities import Counted, PoolSeconds
from planner.result import SolverOptions
from planner.schedule.slots import balance_slots
from planner.search.penalty_search import penalty_local_search
from planner.solvers.assignment_problem import AssignmentProblem, Row
from planner.solvers.linear import solve_linear
from planner.time_budget import TimeBudget
from tests.planner.instances import three_llms, workload

SHARES = {"small": Share(0.2, 0.5), "medium": Share(0.1, 0.6), "large": Share(0.05, 0.6)}


@pytest.mark.parametrize("concurrency", [(1,), (1, 16)])
@pytest.mark.parametrize("own", [False, True])
def test_every_limit_together_is_kept_and_the_gap_is_small(
    concurrency: tuple[int, ...], own: bool
) -> None:
    n = 4_000
    free = three_llms(workload(n), count=8, concurrency=concurrency, limits=Limits(shares=SHARES))
    loose = plan(free, SolverOptions(10.0, 2e-2))
    deadline_s = 0.8 * loose.makespan_s if concurrency == (1,) else 1.1 * loose.makespan_s
    limits = Limits(
        deadline_s=deadline_s,
        shares=SHARES,
        min_mean_quality=0.55,
        max_energy_j=1.3 * loose.energy.value_j,
    )
    rng = np.random.default_rng(0)
    due = np.where(rng.random(n) < 0.2, rng.choice([0.5, 0.7], n) * deadline_s, np.inf)
    problem = three_llms(
        workload(n),
        count=8,
        concurrency=concurrency,
        limits=limits,
        deadline_s=due if own else None,
    )
    found = plan(problem, SolverOptions(30.0, 5e-3))
    slow = price(problem, found.placement.tolist(), found.device_index.tolist())
    assert slow["keeps"]
    assert slow["objective"] == pytest.approx(found.objective, rel=1e-9)
    assert found.lower_bound <= found.objective
    assert found.gap <= 1e-2


def test_sifting_finds_the_optimum_of_the_whole_programme() -> None:
    limits = Limits(deadline_s=6_000.0, shares=SHARES, min_mean_quality=0.55)
    problem = three_llms(workload(20_000), count=16, concurrency=(1, 16), limits=limits)
    relaxation = Formulation(problem).build()
    aggregates = aggregate_requests(relaxation, problem.requests.workload)
    assert 500 < aggregates.count < 2_001
    small = relaxation.aggregate(aggregates.labels, aggregates.count)
    sifted = solve_aggregated(small, aggregates, TimeBudget(60.0))
    whole = solve_linear(small, TimeBudget(60.0))
    assert sifted is not None
    assert whole is not None
    costs = {v.counts: v.cost for v in small.variables}

    def cost(counts: np.ndarray, variables: dict[Counted, float]) -> float:
        return float((small.cost * counts).sum() + sum(costs[v] * x for v, x in variables.items()))

    best = cost(whole.counts, whole.variables)
    assert cost(sifted.counts, sifted.variables) == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_a_penalty_search_fits_rounded_requests_into_three_full_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = 400, 3
    sizes = rng.lognormal(0.0, 1.0, n)
    work = sizes[:, None] * rng.uniform(0.8, 1.2, (n, k))
    cost = sizes[:, None] * np.array([1.0, 2.0, 3.0]) * rng.uniform(0.9, 1.1, (n, k))
    room = work.sum() / k * np.array([0.3, 0.35, 0.6])
    rows = tuple(
        Row(PoolSeconds(j), work, (np.arange(k) == j).astype(float), float(room[j]))
        for j in range(k)
    )
    problem = AssignmentProblem(cost, np.ones((n, k), dtype=bool), rows)
    relaxed = solve_linear(problem, TimeBudget(60.0))
    assert relaxed is not None
    least = float((cost * relaxed.counts).sum())
    # The largest first request of the costlier side is misplaced, so that rows are broken by it.
    start = relaxed.counts.argmax(axis=1)
    start[int(sizes.argmax())] = 0
    found = penalty_local_search(problem, start, {}, relaxed.multipliers)
    used = np.bincount(found, weights=work[np.arange(n), found], minlength=k)
    assert (used <= room * (1.0 + 1e-9)).all()
    assert least <= cost[np.arange(n), found].sum() <= 1.005 * least


def test_a_penalty_search_leaves_what_is_not_allowed() -> None:
    problem = AssignmentProblem(
        np.array([[1.0, 2.0], [1.0, 2.0]]),
        np.array([[True, False], [True, True]]),
        (Row(PoolSeconds(0), np.ones((2, 2)), np.array([1.0, 0.0]), 1.0),),
    )
    assert penalty_local_search(problem, np.array([0, 0]), {}, np.array([1.0])).tolist() == [0, 1]
    tight = replace(problem, rows=(replace(problem.rows[0], bound=0.0),))
    assert penalty_local_search(tight, np.array([0, 0]), {}, np.array([1.0])).tolist()[0] == 0


@pytest.mark.parametrize(("requests", "slots"), [(20_000, 60), (3_000, 60), (7_000, 33), (200, 60)])
def test_slots_end_together_whatever_the_lengths(requests: int, slots: int) -> None:
    rng = np.random.default_rng(requests)
    slot_s = -np.sort(-rng.lognormal(1.5, 1.0, requests))
    before = rng.random(slots)
    slot, ends = balance_slots(slot_s, before)
    held = np.bincount(slot, weights=slot_s, minlength=slots)
    assert ends == pytest.approx(before + held)
    even = (before.sum() + slot_s.sum()) / slots
    # The longest alone may take longer than an even share: then nothing else waits behind it.
    assert ends.max() <= max(even * (1.0 + 1e-3), (before + slot_s[0]).max())


def test_the_bound_of_aggregates_is_near_that_of_the_whole_programme() -> None:
    limits = Limits(deadline_s=3_000.0, shares=SHARES)
    problem = three_llms(workload(6_000), count=8, limits=limits)
    relaxation = Formulation(problem).build()
    whole = solve_linear(relaxation, TimeBudget(60.0))
    assert whole is not None
    best = float((relaxation.cost * whole.counts).sum()) + relaxation.constant
    found = bound(
        relaxation, problem.requests.workload, TimeBudget(60.0), absolute_gap=1e-3 * abs(best)
    )
    assert found is not None
    assert best * (1.0 - 1e-3) <= found.lower_bound <= best * (1.0 + 1e-9)
