"""Fronts of a few requests against every deal there is, and what must hold of every front."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from service.planning import (
    InfeasibleError,
    Limits,
    Placement,
    PlacementProblem,
    Pool,
    Share,
    SolverOptions,
    UnplaceableError,
)
from service.planning.frontier.axes import AXES, AxisName, limited_and_minimised
from service.planning.frontier.points import Candidate, Ends, Front, Point, Step, Summary
from service.planning.frontier.sweep import trace
from tests.planning.instances import cost_model, requests, three_llms, workload
from tests.planning.slow_rules import Slow, price

EXACT = SolverOptions(time_limit_s=60.0, relative_gap=1e-6)
PAIRS: list[tuple[AxisName, AxisName]] = list(itertools.permutations(AXES, 2))


def tiny_problem(seed: int) -> PlacementProblem:
    """Two or three requests, two pools, two LLMs, prices, and any mix of limits and policies."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    llms = [("small", 1.0, 0.5), ("large", 4.0, 0.7)]
    pools, placements = [], []
    for index in range(2):
        pools.append(
            Pool(
                f"p{index}",
                "1xh100-sxm5-80gb",
                int(rng.integers(1, 3)),
                float(rng.choice([50.0, 200.0])),
                "always_on" if rng.random() < 0.3 else "power_down",
                None,
                frozenset(llm for llm, _, _ in llms) if rng.random() < 0.5 else frozenset(),
                carbon_g_per_kwh=float(rng.uniform(20, 700)),
                price_per_kwh=float(rng.uniform(0.1, 0.4)),
                price_per_device_hour=float(rng.uniform(0.0, 4.0)),
            )
        )
        batch = int(rng.choice([1, 4]))
        for llm, scale, quality in llms:
            fitted = cost_model(
                llm,
                scale=scale * (1 - 0.3 * index),
                speed=2.0 - index,
                load_s=3 * scale,
                load_energy_j=100.0 * scale,
            )
            placements.append(Placement(llm, index, batch, fitted, quality))
    limits = Limits(
        deadline_s=float(rng.uniform(30, 90)) if rng.random() < 0.2 else None,
        shares={"small": Share(0.0, 0.7)} if rng.random() < 0.2 else {},
    )
    return PlacementProblem.build(requests(workload(n, seed)), pools, placements, limits)


def costs_of_all_deals(
    problem: PlacementProblem, axes: tuple[AxisName, AxisName]
) -> set[tuple[float, float]]:
    """Cost on both axes of every deal that keeps the limits."""
    options = [
        (k, d)
        for k in range(problem.k)
        for d in range(problem.pools[problem.placements[k].pool].count)
    ]
    found = set()
    for deal in itertools.product(options, repeat=problem.n):
        placement, device = [k for k, _ in deal], [d for _, d in deal]
        priced = price(problem, placement, device)
        if priced["keeps"]:
            slow = Slow(problem, placement, device)
            tokens = problem.tokens
            scores = np.array([problem.placements[k].quality for k in placement])
            values = {
                "energy": sum(priced["parts"]),
                "makespan": priced["makespan_s"],
                "mean_quality": -float(scores @ tokens / tokens.sum()),
                "carbon": slow.cost("carbon"),
                "money": slow.cost("money"),
            }
            found.add((values[axes[0]], values[axes[1]]))
    return found


def front_of(costs: set[tuple[float, float]]) -> list[tuple[float, float]]:
    """The costs that no other ones equal or beat on both axes, but for rounding."""
    front: list[tuple[float, float]] = []
    for first, second in sorted(costs):
        if not front or second < front[-1][1] - 1e-9 * abs(front[-1][1]):
            front.append((first, second))
    return front


def traced(problem: PlacementProblem, front: Front, options: SolverOptions = EXACT) -> list[Step]:
    return list(trace(problem, front, options))


def points_of(steps: list[Step]) -> list[Candidate]:
    return [step.candidate for step in steps if isinstance(step, Point)]


def costs_in(found: Candidate, axes: tuple[AxisName, AxisName]) -> tuple[float, float]:
    limited = limited_and_minimised(axes)[0].name
    pair = (found.limited_cost, found.minimised_cost)
    return pair if axes[0] == limited else (pair[1], pair[0])


@pytest.mark.parametrize("seed", range(12))
def test_the_points_of_a_small_front_are_those_of_all_deals(seed: int) -> None:
    axes = PAIRS[seed % len(PAIRS)]
    problem = tiny_problem(seed)
    true = front_of(costs_of_all_deals(problem, axes))
    steps = traced(problem, Front(axes, 12))
    found = [costs_in(point, axes) for point in points_of(steps)]
    print(seed,axes,len(true),len(found))
    for pair in found:
        assert any(pair == pytest.approx(one, rel=1e-6) for one in true), (pair, true)
    assert {true[0], true[-1]}
    sign = AXES[axes[0]].sign
    ordered = found if sign > 0 else found[::-1]
    assert ordered[0] == pytest.approx(true[0], rel=1e-6)
    assert ordered[-1] == pytest.approx(true[-1], rel=1e-6)
