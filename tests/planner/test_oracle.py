"""Plans of a few requests against every assignment there is."""

import numpy as np
import pytest

from benchmarks.slow_rules.exhaustive import best
from benchmarks.slow_rules.pricing import price
from planner.errors import InfeasibleError
from planner.planning import plan
from planner.result import SolverOptions
from planner.schedule.evaluation import evaluate
from planner.schedule.schedule import lay_out
from tests.planner.small_instances import small_problem

EXACT = SolverOptions(time_limit_s=30.0, relative_gap=1e-6)


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
