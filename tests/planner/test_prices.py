"""Shadow prices against the bound of a limit moved, and what keeps requests from placements."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from planner.inputs import Limits, Objective, Share
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import SolverOptions
from planner.sensitivity.alternatives import alternatives
from tests.planner.bounds import lower_bound, prices_of
from tests.planner.instances import three_llms, workload

LOAD = workload(600, 7)
OWN = np.random.default_rng(1).choice([400.0, 900.0, 1500.0], 600)
TIGHT = Limits(min_mean_quality=0.62, deadline_s=1200.0)
Move = Callable[[PlacementProblem, float], PlacementProblem]


def limit(**changes: float) -> Move:
    """Move one limit by some units."""
    ((name, unit),) = changes.items()

    def move(problem: PlacementProblem, units: float) -> PlacementProblem:
        value = getattr(problem.limits, name) + unit * units
        return problem.with_limits(replace(problem.limits, **{name: value}))

    return move


def stretched(problem: PlacementProblem, percent: float) -> PlacementProblem:
    own = problem.requests.deadline_s * (1.0 + 0.01 * percent)
    return replace(problem, requests=replace(problem.requests, deadline_s=own))


def longer(problem: PlacementProblem, seconds: float) -> PlacementProblem:
    first = problem.pools[0]
    pools = (replace(first, available_s=first.available_s + seconds), problem.pools[1])
    return replace(problem, pools=pools)


def share(side: str, llm: str, sign: float) -> Move:
    def move(problem: PlacementProblem, requests: float) -> PlacementProblem:
        old = problem.limits.shares[llm]
        value = getattr(old, side) + sign * requests / problem.n
        shares = {**problem.limits.shares, llm: replace(old, **{side: value})}
        return problem.with_limits(replace(problem.limits, shares=shares))

    return move


def fewer(problem: PlacementProblem, requests: float) -> PlacementProblem:
    min_requests = {"large": problem.limits.min_requests["large"] - round(requests)}
    return problem.with_limits(replace(problem.limits, min_requests=min_requests))


def ending(problem: PlacementProblem, seconds: float) -> PlacementProblem:
    pools = (replace(problem.pools[0], available_s=seconds), problem.pools[1])
    return replace(problem, pools=pools)


CASES: dict[str, tuple[PlacementProblem, Move, float]] = {
    "deadline_seconds": (three_llms(LOAD, limits=TIGHT), limit(deadline_s=1.0), 5.0),
    "min_mean_quality": (three_llms(LOAD, limits=TIGHT), limit(min_mean_quality=-0.01), 0.2),
    "requests/deadline_seconds": (
        three_llms(LOAD, limits=Limits(min_mean_quality=0.6), deadline_s=OWN),
        stretched,
        0.5,
    ),
    "pools/a/available_seconds": (
        ending(three_llms(LOAD, limits=replace(TIGHT, deadline_s=2000.0)), 900.0),
        longer,
        5.0,
    ),
    "max_energy_joules": (
        three_llms(LOAD, limits=Limits(max_energy_j=8e5), objective=Objective(0.2)),
        limit(max_energy_j=1.0),
        1000.0,
    ),
    "shares/large/min": (
        three_llms(LOAD, limits=Limits(shares={"large": Share(0.3)})),
        share("min", "large", -1.0),
        3.0,
    ),
    "shares/small/max": (
        three_llms(LOAD, limits=Limits(shares={"small": Share(0.0, 0.3)})),
        share("max", "small", 1.0),
        3.0,
    ),
    "min_requests/large": (three_llms(LOAD, limits=Limits(min_requests={"large": 90})), fewer, 3.0),
}


@pytest.mark.parametrize("name", CASES)
def test_a_price_lies_between_what_moving_its_limit_either_way_changes(name: str) -> None:
    problem, move, units = CASES[name]
    price = prices_of(problem)[name]
    here = lower_bound(problem)
    gained = (here - lower_bound(move(problem, units))) / units
    lost = (lower_bound(move(problem, -units)) - here) / units
    assert price > 0.0
    assert 0.97 * gained <= price <= 1.03 * lost
    assert price == pytest.approx(gained, rel=0.1)


def test_a_devices_seconds_are_worth_what_the_deadline_gives_them() -> None:
    problem = three_llms(LOAD, limits=TIGHT)
    found = prices_of(problem)
    seconds = sum(2 * found[f"pools/{name}/device_seconds"] for name in "ab")
    assert found["deadline_seconds"] == pytest.approx(seconds, rel=1e-9)


def test_prices_are_reported_in_joules_and_a_slack_limit_costs_nothing() -> None:
    limits = replace(TIGHT, max_energy_j=1e12)
    found = plan(three_llms(LOAD, limits=limits), SolverOptions(20.0))
    by_name = {price.constraint: price for price in found.shadow_prices}
    assert by_name["max_energy_joules"].objective == 0.0
    quality = by_name["min_mean_quality"]
    assert quality.unit == "point"
    assert quality.energy_j == pytest.approx(quality.objective * found.cost_normaliser)


def test_prices_of_quality_alone_have_no_joules() -> None:
    limits = Limits(max_energy_j=8e5)
    found = plan(three_llms(LOAD, limits=limits, objective=Objective(0.0)), SolverOptions(20.0))
    (price,) = found.shadow_prices
    assert price.objective > 0.0
    assert price.energy_j is None


def test_alternatives_name_the_limit_that_keeps_a_request_from_saving() -> None:
    problem = three_llms(LOAD, limits=Limits(min_mean_quality=0.62))
    found = plan(problem, SolverOptions(20.0))
    others = alternatives(problem, found)
    rows = np.arange(problem.n)
    energy = problem.costs.energy_j
    own = energy[rows, found.placement]
    assert others.extra_j == pytest.approx(energy[rows[:, None], others.placement] - own[:, None])
    assert (others.placement != found.placement[:, None]).all()
    saving = np.argwhere(others.extra_j < 0.0)
    assert len(saving)
    for i, j in saving:
        assert others.reasons[others.stopped_by[i, j]] == ("min_mean_quality",)
    dear = others.extra_j[:, 1:] > 0.0
    assert all("cost" in others.reasons[code] for code in others.stopped_by[:, 1:][dear])


def test_alternatives_begin_with_what_would_save_most_even_where_it_is_not_open() -> None:
    problem = three_llms(LOAD)
    allowed = np.ones((problem.n, problem.k), dtype=bool)
    allowed[:, 0] = False
    barred = replace(problem, requests=replace(problem.requests, allowed=allowed))
    others = alternatives(barred, plan(barred, SolverOptions(20.0)))
    assert (others.placement[:, 0] == 0).all()
    (reason,) = {others.reasons[code] for code in others.stopped_by[:, 0]}
    assert reason == ("not among the LLMs or pools that the request names",)


def test_alternatives_say_what_would_be_late() -> None:
    load = workload(50, 3, median_out=900.0)
    limits, quality_alone = Limits(deadline_s=100.0), Objective(0.0)
    problem = three_llms(load, limits=limits, objective=quality_alone, count=30)
    others = alternatives(problem, plan(problem, SolverOptions(20.0)))
    assert ("late",) in {others.reasons[code] for code in others.stopped_by[:, 0]}
