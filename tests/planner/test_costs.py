"""Carbon and money in the place of joules: what a plan costs and what it then prefers."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.slow_rules.pricing import price
from planner.errors import InvalidProblemError
from planner.inputs import Limits, Objective
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import SolverOptions
from planner.schedule.dispatch import dispatch
from planner.schedule.evaluation import evaluate
from tests.planner.instances import three_llms, workload

EXACT = SolverOptions(time_limit_s=20.0, relative_gap=1e-6)


def priced(problem: PlacementProblem, **figures: tuple[float | None, ...]) -> PlacementProblem:
    pools = tuple(
        replace(pool, **{name: values[index] for name, values in figures.items()})
        for index, pool in enumerate(problem.pools)
    )
    return replace(problem, pools=pools)


def minimising(problem: PlacementProblem, unit: str, zeta: float = 1.0) -> PlacementProblem:
    return replace(problem, objective=Objective(zeta, minimise=unit))


def test_a_clean_grid_draws_the_work_where_carbon_is_minimised() -> None:
    problem = three_llms(workload(60))
    dirty_first = priced(problem, carbon_g_per_kwh=(700.0, 20.0))
    by_energy, by_carbon = plan(dirty_first), plan(minimising(dirty_first, "carbon"))
    assert by_carbon.carbon_g < by_energy.carbon_g
    assert by_carbon.energy.value_j > by_energy.energy.value_j
    assert (dirty_first.pool_of[by_carbon.placement] == 1).all()


def test_dear_device_hours_draw_the_work_to_the_faster_pool() -> None:
    problem = priced(three_llms(workload(60)), price_per_device_hour=(2.0, 2.0))
    by_energy, by_money = plan(problem), plan(minimising(problem, "money"))
    assert by_money.money < by_energy.money
    assert by_money.status == "optimal" or by_money.gap <= 1e-3


@pytest.mark.parametrize("unit", ["carbon", "money"])
@pytest.mark.parametrize("power_policy", ["power_down", "always_on"])
def test_a_schedule_costs_what_the_slow_rules_say(unit: str, power_policy: str) -> None:
    problem = three_llms(
        workload(30), concurrency=(1, 4), resident=False, power_policy=power_policy
    )
    problem = minimising(
        priced(
            problem,
            carbon_g_per_kwh=(400.0, 30.0),
            price_per_kwh=(0.3, None),
            price_per_device_hour=(1.0, 2.5),
        ),
        unit,
        0.8,
    )
    placement = np.random.default_rng(0).integers(0, problem.k, problem.n)
    schedule = dispatch(problem, placement)
    evaluation = evaluate(problem, schedule)
    slow = price(problem, schedule.placement.tolist(), schedule.device.tolist())
    assert evaluation.cost == pytest.approx(slow["cost"])
    assert evaluation.objective == pytest.approx(slow["objective"])
    assert evaluation.total(problem, unit) == pytest.approx(slow["cost"])


def test_the_same_carbon_everywhere_is_least_energy_again() -> None:
    problem = three_llms(workload(40), limits=Limits(min_mean_quality=0.6))
    even = priced(problem, carbon_g_per_kwh=(360.0, 360.0))
    by_energy, by_carbon = plan(even, EXACT), plan(minimising(even, "carbon"), EXACT)
    assert by_carbon.objective == pytest.approx(by_energy.objective, rel=3e-6)
    assert by_carbon.carbon_g == pytest.approx(by_carbon.energy.value_j * 1e-4)
    assert by_energy.cost_normaliser * 1e-4 == pytest.approx(by_carbon.cost_normaliser)


@pytest.mark.parametrize("factor", [1e-3, 50.0])
def test_scaling_all_prices_leaves_the_optimum_as_it_is(factor: float) -> None:
    problem = three_llms(workload(7), resident=False, limits=Limits(min_mean_quality=0.58))
    hours, kwh = np.array([1.0, 3.0]), np.array([0.2, 0.4])
    one, other = (
        minimising(
            priced(problem, price_per_device_hour=tuple(hours * f), price_per_kwh=tuple(kwh * f)),
            "money",
        )
        for f in (1.0, factor)
    )
    assert plan(one, EXACT).objective == pytest.approx(plan(other, EXACT).objective, rel=3e-6)


def test_a_pool_without_its_figures_is_refused_only_where_a_plan_may_pay_for_it() -> None:
    problem = priced(three_llms(workload(5)), carbon_g_per_kwh=(300.0, None))
    with pytest.raises(InvalidProblemError) as caught:
        plan(minimising(problem, "carbon"))
    assert caught.value.pointer == "/fleet/pools/1/carbon_g_per_kwh"
    first = np.broadcast_to(problem.pool_of == 0, (problem.n, problem.k))
    only_first = replace(problem, requests=replace(problem.requests, allowed=first))
    assert plan(minimising(only_first, "carbon")).carbon_g > 0.0


def test_totals_are_null_where_a_used_pool_states_no_figures() -> None:
    problem = priced(three_llms(workload(5)), carbon_g_per_kwh=(300.0, None))
    found = plan(problem)
    uses_second = bool((problem.pool_of[found.placement] == 1).any())
    assert (found.carbon_g is None) == uses_second
    assert found.money is None
