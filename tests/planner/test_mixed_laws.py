"""Laws of the optimum over problems that mix every constraint there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from planner.eligibility import find_unplaceable
from planner.inputs import Share
from planner.problem import PlacementProblem
from planner.schedule.evaluation import evaluate
from planner.schedule.schedule import lay_out
from tests.planner.mixed_instances import TINY, mixed_problem
from tests.planner.outcomes import Outcome, solve

few = settings(max_examples=8)
any_seed = st.integers(0, 10_000)
CLOSE = 3e-6


def problem_of(seed: int) -> PlacementProblem:
    problem = mixed_problem(seed, TINY)
    assume(not find_unplaceable(problem))
    return problem


def proven(problem: PlacementProblem) -> Outcome:
    found = solve(problem)
    assume(found.proven)
    return found


def normalised(problem: PlacementProblem) -> PlacementProblem:
    """The same problem with its normalisers written down, so that changes leave them alone."""
    objective = replace(
        problem.objective,
        cost_normaliser=problem.cost_normaliser,
        quality_normaliser=problem.quality_normaliser,
    )
    return replace(problem, objective=objective)


@few
@given(seed=any_seed)
def test_permuting_requests_leaves_the_optimum_as_it_is(seed: int) -> None:
    problem = problem_of(seed)
    order = np.random.default_rng(seed).permutation(problem.n)
    one, other = proven(problem), proven(problem.take(order))
    assert one.infeasible == other.infeasible
    if not one.infeasible:
        assert one.objective == pytest.approx(other.objective, rel=CLOSE, abs=CLOSE)


def assert_no_larger(one: float, other: float) -> None:
    """Infinite is the objective of a problem without a plan."""
    assert one <= other or one == pytest.approx(other, rel=CLOSE, abs=CLOSE)


def later(problem: PlacementProblem) -> PlacementProblem | None:
    """All deadlines stretched alike, which leaves their order as it is."""
    if not np.isfinite(problem.deadline_s).any():
        return None
    due = problem.limits.deadline_s
    limits = replace(problem.limits, deadline_s=None if due is None else 1.4 * due)
    requests = replace(problem.requests, deadline_s=1.4 * problem.requests.deadline_s)
    return replace(problem, limits=limits, requests=requests)


def longer_available(problem: PlacementProblem) -> PlacementProblem | None:
    if all(pool.available_s is None for pool in problem.pools):
        return None
    pools = tuple(replace(pool, available_s=None) for pool in problem.pools)
    return replace(problem, pools=pools)


def capped_higher(problem: PlacementProblem) -> PlacementProblem | None:
    limits = problem.limits
    if not limits.caps:
        return None
    for unit, cap in limits.caps.items():
        limits = limits.with_cap(unit, 1.3 * cap)
    return problem.with_limits(limits)


def lower_floor(problem: PlacementProblem) -> PlacementProblem | None:
    floor = problem.limits.min_mean_quality
    if floor is None:
        return None
    return problem.with_limits(replace(problem.limits, min_mean_quality=0.9 * floor))


def wider_shares(problem: PlacementProblem) -> PlacementProblem | None:
    if not problem.limits.shares and not problem.limits.min_requests:
        return None
    shares = {
        llm: Share(0.5 * share.min, min(1.0, 1.5 * share.max))
        for llm, share in problem.limits.shares.items()
    }
    return problem.with_limits(replace(problem.limits, shares=shares, min_requests={}))


def unpinned(problem: PlacementProblem) -> PlacementProblem | None:
    if problem.requests.device is None:
        return None
    return replace(problem, requests=replace(problem.requests, device=None))


LOOSENED = [later, longer_available, capped_higher, lower_floor, wider_shares, unpinned]


@settings(max_examples=16)
@given(seed=any_seed, data=st.data())
def test_relaxing_a_limit_never_raises_the_optimum(seed: int, data: st.DataObject) -> None:
    tight = normalised(problem_of(seed))
    looser = [loose for loosen in LOOSENED if (loose := loosen(tight)) is not None]
    assume(looser)
    loose = data.draw(st.sampled_from(looser))
    before, after = proven(tight), proven(loose)
    assert_no_larger(after.objective, before.objective)


@few
@given(seed=any_seed, factor=st.sampled_from([1e-3, 0.2, 40.0]))
def test_scaling_all_figures_scales_the_cost_and_keeps_the_objective(
    seed: int, factor: float
) -> None:
    problem = problem_of(seed)
    assume(problem.objective.minimise != "energy")
    assume(set(problem.limits.caps) <= {"energy"})

    def scaled(figure: float | None) -> float | None:
        return None if figure is None else factor * figure

    pools = tuple(
        replace(
            pool,
            carbon_g_per_kwh=scaled(pool.carbon_g_per_kwh),
            price_per_kwh=scaled(pool.price_per_kwh),
            price_per_device_hour=scaled(pool.price_per_device_hour),
        )
        for pool in problem.pools
    )
    dearer = replace(problem, pools=pools)
    assert dearer.cost_normaliser == pytest.approx(factor * problem.cost_normaliser)
    one, other = proven(problem), proven(dearer)
    assert one.infeasible == other.infeasible
    if not one.infeasible:
        assert one.objective == pytest.approx(other.objective, rel=CLOSE, abs=CLOSE)


@few
@given(seed=any_seed)
def test_pinning_everything_to_a_plans_own_placement_reproduces_its_objective(seed: int) -> None:
    problem = normalised(problem_of(seed))
    found = solve(problem)
    assume(found.schedule is not None)
    assert found.schedule is not None
    allowed = np.arange(problem.k)[None, :] == found.schedule.placement[:, None]
    requests = replace(problem.requests, allowed=allowed, device=found.schedule.device)
    again = solve(replace(problem, requests=requests))
    assert again.schedule is not None
    assert again.schedule.placement.tolist() == found.schedule.placement.tolist()
    assert again.schedule.device.tolist() == found.schedule.device.tolist()
    assert again.objective == pytest.approx(found.objective, rel=1e-12)


@few
@given(seed=any_seed)
def test_dearer_switching_on_never_lowers_the_optimum(seed: int) -> None:
    cheap = normalised(problem_of(seed))
    pools = tuple(
        replace(pool, activation_j=2.0 * pool.activation_j + 700.0)
        if pool.power_policy == "power_down"
        else pool
        for pool in cheap.pools
    )
    dear = replace(cheap, pools=pools)
    before, after = proven(cheap), proven(dear)
    assert_no_larger(before.objective, after.objective)


@few
@given(seed=any_seed)
def test_the_order_of_pools_and_placements_leaves_the_optimum_as_it_is(seed: int) -> None:
    problem = problem_of(seed)
    one = proven(problem)
    last = len(problem.pools) - 1
    pools = problem.pools[::-1]
    placements = tuple(replace(p, pool=last - p.pool) for p in problem.placements)
    turned = PlacementProblem.build(
        problem.requests, pools, placements, problem.limits, problem.objective
    )
    other = proven(turned)
    assert one.infeasible == other.infeasible
    if not one.infeasible:
        assert one.objective == pytest.approx(other.objective, rel=CLOSE, abs=CLOSE)


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_is_evaluated_alike_however_it_was_found(seed: int) -> None:
    problem = mixed_problem(seed, TINY)
    if find_unplaceable(problem):
        pytest.skip("no request list came out that can be placed")
    found = solve(problem, relative_gap=1e-3)
    if found.schedule is None:
        return
    again = evaluate(problem, lay_out(problem, found.schedule.placement, found.schedule.device))
    assert again.objective == pytest.approx(found.objective, rel=1e-12)
    assert again.violations == ()
