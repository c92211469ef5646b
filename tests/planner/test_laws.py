"""What must hold of every plan, whatever its size."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.bounds.formulation import Formulation
from planner.errors import InfeasibleError, UnplaceableError
from planner.inputs import Limits, Objective, Share
from planner.planning import plan
from planner.result import SolverOptions
from planner.schedule.dispatch import dispatch
from planner.schedule.evaluation import evaluate
from planner.schedule.schedule import lay_out
from planner.solvers.cpsat import Effort, solve_assignment
from tests.planner.instances import three_llms, workload

QUICK = SolverOptions(time_limit_s=20.0, relative_gap=1e-3)
PATIENT = SolverOptions(time_limit_s=120.0, relative_gap=1e-3)


@pytest.mark.parametrize(
    ("n", "limits"),
    [
        (40, Limits(min_mean_quality=0.6)),
        (400, Limits(min_mean_quality=0.6, deadline_s=1500.0)),
        (400, Limits(shares={"small": Share(0.0, 0.3), "large": Share(0.1, 0.5)}, deadline_s=1600)),
        (2000, Limits(min_mean_quality=0.62, deadline_s=9000.0, max_energy_j=5e6)),
        (2000, Limits(min_requests={"large": 7, "medium": 5})),
    ],
)
def test_a_plan_keeps_its_limits_and_its_gap_is_small(n: int, limits: Limits) -> None:
    problem = three_llms(workload(n), limits=limits)
    found = plan(problem, QUICK)
    evaluation = evaluate(problem, lay_out(problem, found.placement, found.device_index))
    assert evaluation.violations == ()
    assert evaluation.objective == pytest.approx(found.objective)
    assert found.lower_bound <= found.objective
    assert found.gap <= 1e-3


@pytest.mark.parametrize("power_policy", ["power_down", "always_on"])
@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("concurrency", [(1,), (8, 64)])
def test_no_dispatched_schedule_is_below_the_lower_bound(
    power_policy: str, resident: bool, concurrency: tuple[int, ...]
) -> None:
    problem = three_llms(
        workload(40),
        concurrency=concurrency,
        resident=resident,
        power_policy=power_policy,
        limits=Limits(deadline_s=1500.0),
        objective=Objective(0.9),
    )
    found = plan(problem, QUICK)
    rng, tried = np.random.default_rng(0), 0
    for _ in range(30):
        few = rng.choice(problem.k, size=int(rng.integers(1, 3)), replace=False)
        schedule = dispatch(problem, rng.choice(few, problem.n))
        evaluation = evaluate(problem, schedule)
        if evaluation.feasible:
            tried += 1
            assert evaluation.objective >= found.lower_bound
    assert tried > 0


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), floor=st.floats(0.5, 0.65), step=st.floats(0.0, 0.05))
def test_relaxing_a_limit_never_raises_the_optimum(seed: int, floor: float, step: float) -> None:
    tight = three_llms(workload(6, seed), count=1, limits=Limits(min_mean_quality=floor + step))
    loose = tight.with_limits(Limits(min_mean_quality=floor))
    exact = SolverOptions(time_limit_s=120.0, relative_gap=1e-7)
    with_reserve = plan(tight, exact).objective
    assert plan(loose, exact).objective <= with_reserve + 1e-6 * abs(with_reserve)


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_permuting_requests_leaves_the_optimum_as_it_is(seed: int) -> None:
    problem = three_llms(workload(7, seed), limits=Limits(min_mean_quality=0.58))
    order = np.random.default_rng(seed).permutation(problem.n)
    exact = SolverOptions(time_limit_s=120.0, relative_gap=1e-7)
    one, other = plan(problem, exact), plan(problem.take(order), exact)
    assert one.objective == pytest.approx(other.objective, rel=2e-6)


def test_the_same_problem_and_seed_give_the_same_plan() -> None:
    problem = three_llms(workload(300), limits=Limits(min_mean_quality=0.6, deadline_s=1100.0))
    one, other = plan(problem, QUICK), plan(problem, QUICK)
    assert not one.cut_by_clock
    assert one.placement.tolist() == other.placement.tolist()
    assert one.device_index.tolist() == other.device_index.tolist()


@pytest.mark.parametrize("seed", [59, *range(20)])
def test_cp_sat_claims_no_optimum_that_a_tighter_problem_beats(seed: int) -> None:
    problem = three_llms(workload(6, seed), count=1, limits=Limits(min_mean_quality=0.55))
    relaxation = Formulation(problem).build()
    chosen = itertools.product(range(problem.k), repeat=problem.n)
    placements = np.array(list(chosen))
    rows = np.arange(problem.n)
    seen = relaxation.coefficients(relaxation.rows[0]).over(problem.k)
    quality = seen[rows, placements].sum(axis=1)
    cost = relaxation.cost[rows, placements].sum(axis=1)
    found = solve_assignment(relaxation, Effort(20.0, 20.0))
    assert found.bound == pytest.approx(cost[quality <= 1e-9].min(), rel=1e-6)


def test_an_assignment_of_the_plan_never_beats_its_own_floor() -> None:
    problem = three_llms(workload(200), concurrency=(8, 64), limits=Limits(min_mean_quality=0.6))
    relaxation = Formulation(problem).build()
    found = plan(problem, QUICK)
    rows = np.arange(problem.n)
    floor = relaxation.constant + relaxation.cost[rows, found.placement].sum()
    assert floor <= found.objective


def test_a_longer_request_than_every_context_is_named() -> None:
    problem = three_llms(workload(5))
    short = type(problem.placements[0])
    limited = [
        short(p.llm, p.pool, p.concurrency, p.cost_model, p.quality, max_context_tokens=50)
        for p in problem.placements
    ]
    narrow = type(problem).build(problem.requests, problem.pools, limited)
    with pytest.raises(UnplaceableError) as caught:
        plan(narrow)
    assert all("context" in reason for reason in caught.value.reasons.values())


def test_a_floor_that_a_plan_attains_to_rounding_is_no_conflict() -> None:
    problem = three_llms(workload(60), limits=Limits(deadline_s=3000.0))
    score = 0.7
    for floor in (score, np.nextafter(score, 1.0), score * (1 + 0.9e-9)):
        limits = Limits(deadline_s=3000.0, min_mean_quality=float(floor))
        found = plan(problem.with_limits(limits), QUICK)
        assert found.mean_quality == pytest.approx(score)
    with pytest.raises(InfeasibleError):
        plan(problem.with_limits(Limits(min_mean_quality=score + 1e-6)), QUICK)


def test_a_share_counts_whole_requests_whatever_floats_make_of_it() -> None:
    problem = three_llms(workload(100))
    for share, count in ((0.29, 29), (0.57, 57), (0.07, 7), (0.14, 14)):
        limits = Limits(shares={"small": Share(share, share)})
        assert problem.with_limits(limits).request_counts("small") == (count, count)
