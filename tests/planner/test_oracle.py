"""Plans of a few requests against every assignment there is."""

import numpy as np
import pytest

from benchmarks.slow_rules.exhaustive import best
from benchmarks.slow_rules.pricing import price
from planner.errors import InfeasibleError
from planner.inputs import Limits, Objective, Placement, Pool, Share
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import SolverOptions
from planner.schedule.evaluation import evaluate
from planner.schedule.schedule import lay_out
from tests.planner.instances import cost_model, requests, workload

EXACT = SolverOptions(time_limit_s=30.0, relative_gap=1e-6)


def small_problem(seed: int) -> PlacementProblem:
    """One to four requests on one or two pools, with any mix of limits and policies."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    batches = [(1,), (4,), (1, 4)][rng.integers(3)]
    llms = [("small", 1.0, 0.5), ("large", 4.0, 0.7)][: int(rng.integers(1, 3))]
    pools, placements = [], []
    for index in range(int(rng.integers(1, 3))):
        pools.append(
            Pool(
                f"p{index}",
                "1xh100-sxm5-80gb",
                int(rng.integers(1, 3)),
                float(rng.choice([50.0, 200.0])),
                "always_on" if rng.random() < 0.5 else "power_down",
                float(rng.uniform(5, 200)) if rng.random() < 0.3 else None,
                frozenset(llm for llm, _, _ in llms) if rng.random() < 0.5 else frozenset(),
            )
        )
        for llm, scale, quality in llms:
            fitted = cost_model(
                llm,
                scale=scale * (1 + 0.3 * index),
                speed=1 + index,
                load_s=3 * scale,
                load_energy_j=float(rng.choice([100.0, 1000.0])) * scale,
            )
            placements += [Placement(llm, index, batch, fitted, quality) for batch in batches]
    limits = Limits(
        deadline_s=float(rng.uniform(2, 40)) if rng.random() < 0.5 else None,
        min_mean_quality=float(rng.uniform(0.5, 0.7)) if rng.random() < 0.4 else None,
        max_energy_j=float(rng.uniform(200, 8000)) if rng.random() < 0.3 else None,
        shares={"small": Share(0.0, float(rng.choice([0.3, 0.6])))} if rng.random() < 0.3 else {},
        min_requests={"large": 1} if rng.random() < 0.2 else {},
        horizon_s=float(rng.uniform(1, 60)) if rng.random() < 0.3 else None,
    )
    own = np.where(rng.random(n) < 0.5, np.inf, rng.uniform(3, 60, n))
    return PlacementProblem.build(
        requests(workload(n, seed), own if rng.random() < 0.4 else None),
        pools,
        placements[:4],
        limits,
        Objective(float(rng.choice([1.0, 1.0, 0.5, 0.0]))),
    )


@pytest.mark.parametrize("seed", range(40))
def test_a_small_plan_is_the_best_assignment_of_all_and_its_bound_is_valid(seed: int) -> None:
    problem = small_problem(seed)
    optimum = best(problem)
    if optimum is None:
        with pytest.raises(InfeasibleError) as caught:
            plan(problem, EXACT)
        assert caught.value.conflict
        assert caught.value.relaxations or caught.value.joint_relaxation
        return
    found = plan(problem, EXACT)
    tolerance = 1e-8 * max(1.0, abs(optimum))
    priced = price(problem, found.placement.tolist(), found.device_index.tolist())
    assert priced["keeps"]
    assert priced["objective"] == pytest.approx(found.objective, abs=tolerance)
    assert found.lower_bound <= optimum + tolerance
    assert found.objective == pytest.approx(optimum, rel=1e-6, abs=tolerance)
    assert found.status == "optimal"


@pytest.mark.parametrize("seed", range(100, 120))
def test_the_schedule_and_its_price_agree_with_the_rules_written_out_slowly(seed: int) -> None:
    problem = small_problem(seed)
    rng = np.random.default_rng(seed)
    placement = rng.integers(0, problem.k, problem.n)
    counts = np.array([problem.pools[p].count for p in problem.pool_of])
    device = rng.integers(0, counts[placement])
    schedule = lay_out(problem, placement, device)
    evaluation = evaluate(problem, schedule)
    slow = price(problem, placement.tolist(), device.tolist())
    assert schedule.end_s == pytest.approx(slow["end"])
    parts = (
        evaluation.requests_j,
        evaluation.underfill_j,
        evaluation.loading_j,
        evaluation.idle_j,
        evaluation.activation_j,
    )
    assert parts == pytest.approx(slow["parts"], abs=1e-6)
    assert evaluation.makespan_s == pytest.approx(slow["makespan_s"])
    assert evaluation.objective == pytest.approx(slow["objective"])
    assert evaluation.feasible == slow["keeps"]
