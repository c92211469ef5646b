"""Caps on the carbon and the money of a plan, beside or instead of the one on joules."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.slow_rules.exhaustive import best
from planner.errors import InfeasibleError, InvalidProblemError
from planner.inputs import CAP_NAMES, Limits, Objective, Unit
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import SolverOptions
from tests.planner.bounds import lower_bound, prices_of
from tests.planner.instances import three_llms, workload
from tests.planner.small_instances import tiny_priced_problem

EXACT = SolverOptions(time_limit_s=30.0, relative_gap=1e-6)
QUICK = SolverOptions(time_limit_s=20.0, relative_gap=1e-3)


def priced(limits: Limits, n: int = 60) -> PlacementProblem:
    """A cheap, dirty and slow pool, and a dear, clean and fast one."""
    problem = three_llms(workload(n), limits=limits)
    cheap, dear = problem.pools
    cheap = replace(cheap, carbon_g_per_kwh=700.0, price_per_device_hour=1.0)
    dear = replace(dear, carbon_g_per_kwh=20.0, price_per_device_hour=9.0)
    return replace(problem, pools=(cheap, dear))


def cost(problem: PlacementProblem, unit: Unit) -> float:
    found = plan(problem, QUICK)
    value = found.carbon_g if unit == "carbon" else found.money
    assert value is not None
    return value


@pytest.mark.parametrize("unit", ["carbon", "money"])
def test_a_cap_between_the_least_and_the_free_cost_is_kept(unit: Unit) -> None:
    free = priced(Limits(min_mean_quality=0.6))
    minimum = cost(free.with_objective(Objective(minimise=unit)), unit)
    other: Unit = "money" if unit == "carbon" else "carbon"
    unbound = cost(free.with_objective(Objective(minimise=other)), unit)
    assert minimum < unbound
    cap = 0.5 * (minimum + unbound)
    capped = free.with_limits(free.limits.with_cap(unit, cap))
    held = plan(capped.with_objective(Objective(minimise=other)), QUICK)
    assert (held.carbon_g if unit == "carbon" else held.money) <= cap * (1 + 1e-9)  # type: ignore[operator]


@pytest.mark.parametrize("unit", ["carbon", "money"])
def test_a_cap_that_no_plan_keeps_is_named_with_what_is_needed(unit: Unit) -> None:
    free = priced(Limits(min_mean_quality=0.6))
    minimum = cost(free.with_objective(Objective(minimise=unit)), unit)
    tight = free.with_limits(free.limits.with_cap(unit, 0.8 * minimum))
    with pytest.raises(InfeasibleError) as caught:
        plan(tight, QUICK)
    named = {relaxation.constraint: relaxation for relaxation in caught.value.relaxations}
    mend = named[CAP_NAMES[unit]]
    assert mend.given == pytest.approx(0.8 * minimum)
    assert mend.needed_lower_bound <= minimum * (1 + 1e-9)
    mended = tight.with_limits(tight.limits.with_cap(unit, mend.needed))
    assert plan(mended, QUICK).status in {"optimal", "feasible"}


@pytest.mark.parametrize("seed", range(10))
def test_a_small_plan_under_caps_is_the_best_assignment_of_all(seed: int) -> None:
    problem = tiny_priced_problem(seed)
    free = plan(problem, EXACT)
    rng = np.random.default_rng(seed)
    assert free.carbon_g is not None
    assert free.money is not None
    limits = replace(
        problem.limits,
        max_carbon_g=free.carbon_g * float(rng.uniform(0.3, 1.5)),
        max_money=free.money * float(rng.uniform(0.6, 1.5)),
    )
    capped = problem.with_limits(limits)
    optimum = best(capped)
    if optimum is None:
        with pytest.raises(InfeasibleError):
            plan(capped, EXACT)
        return
    found = plan(capped, EXACT)
    assert found.lower_bound <= optimum + 1e-8 * max(1.0, abs(optimum))
    assert found.objective == pytest.approx(optimum, rel=1e-6)


def test_a_cap_in_a_unit_that_a_pool_does_not_state_is_refused() -> None:
    problem = three_llms(workload(5), limits=Limits(max_money=1.0))
    with pytest.raises(InvalidProblemError) as caught:
        plan(problem, QUICK)
    assert caught.value.pointer == "/fleet/pools/0/price_per_kwh"


def test_joules_capped_through_their_unit_are_the_energy_cap() -> None:
    limits = Limits(max_energy_j=5.0).with_cap("carbon", 2.0)
    assert limits.caps == {"energy": 5.0, "carbon": 2.0}
    assert limits.with_cap("energy", None) == Limits(max_carbon_g=2.0)


@pytest.mark.parametrize("unit", ["energy", "carbon", "money"])
def test_the_price_of_a_cap_is_what_the_bound_falls_by_for_one_unit_more(unit: Unit) -> None:
    free = priced(Limits(min_mean_quality=0.6), n=300)
    other: Unit = "money" if unit == "carbon" else "carbon"
    found = plan(free.with_objective(Objective(minimise=unit)), QUICK)
    cap = (
        1.02
        * {"energy": found.energy.value_j, "carbon": found.carbon_g, "money": found.money}[unit]
    )  # type: ignore[operator]
    capped = free.with_limits(free.limits.with_cap(unit, cap))
    capped = capped.with_objective(Objective(minimise=other))
    price = prices_of(capped)[CAP_NAMES[unit]]
    step = 1e-3 * cap
    looser, tighter = (
        lower_bound(capped.with_limits(capped.limits.with_cap(unit, cap + sign * step)))
        for sign in (1.0, -1.0)
    )
    assert price > 0.0
    assert price * 2.0 * step == pytest.approx(tighter - looser, rel=0.2)


def test_every_cap_has_a_price_with_its_unit() -> None:
    limits = Limits(max_energy_j=1e12, max_carbon_g=1e12, max_money=1e12)
    found = plan(priced(limits, n=12), QUICK)
    units = {price.constraint: price.unit for price in found.shadow_prices}
    assert {name: units[name] for name in CAP_NAMES.values()} == {
        "max_energy_joules": "joule",
        "max_carbon_grams": "gram",
        "max_money": "money",
    }
    assert {price.objective for price in found.shadow_prices} == {0.0}
