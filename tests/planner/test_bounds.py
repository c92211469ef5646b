"""No schedule is better than the lower bound: random cost models, limits and assignments."""

import numpy as np
import pytest

from costmodel.cost_model import CostModel
from costmodel.provenance import Provenance
from costmodel.workload import Workload
from planner.bounds.bounding import bound
from planner.bounds.formulation import Formulation
from planner.bounds.lagrangian import lagrangian_bound
from planner.errors import BoundContradictedError
from planner.inputs import Limits, Objective, Placement, Pool
from planner.problem import PlacementProblem
from planner.quantities import Makespan, MakespanSeconds, PoolSeconds
from planner.reporting import report
from planner.schedule.evaluation import evaluate
from planner.schedule.schedule import lay_out
from planner.solvers.assignment_problem import AssignmentProblem, Row, Variable
from planner.solvers.cpsat import Effort, solve_assignment
from planner.time_budget import TimeBudget
from tests.planner.instances import REGION, requests, three_llms, workload


def any_cost_model(llm: str, rng: np.random.Generator) -> CostModel:
    """Independent coefficients over decades, loads cheaper or dearer than idling."""
    scale = np.array([1.0, 1e-2, 1e-7, 0.05, 4.0, 0.5, 1e-6])
    return CostModel(
        llm=llm,
        device="1xh100-sxm5-80gb",
        num_gpus=1,
        basis="kv_on",
        energy_coefficients=tuple((scale * 10 ** rng.uniform(-3, 3, 7)).tolist()),
        device_seconds_coefficients=tuple((scale * 10 ** rng.uniform(-4, -1.5, 7)).tolist()),
        region=REGION,
        provenance=Provenance(source="test", engine="vllm", kv_cache="on", energy_scope="gpu"),
        load_s=float(rng.choice([0.0, 1.0, 30.0])),
        load_energy_j=float(rng.choice([0.0, 10.0, 5000.0])),
    )


def any_problem(rng: np.random.Generator) -> PlacementProblem:
    """Long prompts with short answers beside short prompts with long answers."""
    n = int(rng.integers(2, 12))
    long_prompts = rng.random(n) < 0.5
    tin = np.where(long_prompts, rng.integers(1000, 8000, n), rng.integers(1, 50, n))
    tout = np.where(long_prompts, rng.integers(1, 5, n), rng.integers(100, 2000, n))
    llms = ("small", "large")
    pools, placements = [], []
    for index in range(int(rng.integers(1, 3))):
        policy = "always_on" if rng.random() < 0.6 else "power_down"
        resident = frozenset(llm for llm in llms if rng.random() < 0.5)
        watts = float(rng.choice([50.0, 500.0]))
        pools.append(Pool(f"p{index}", "x", int(rng.integers(1, 4)), watts, policy, None, resident))
        for llm in llms:
            fitted = any_cost_model(llm, rng)
            placements += [Placement(llm, index, int(b), fitted, 0.5) for b in (1, 4, 32)]
    horizon = float(rng.uniform(1, 500)) if rng.random() < 0.5 else None
    return PlacementProblem.build(
        requests(Workload(tin, tout)),
        pools,
        placements,
        Limits(horizon_s=horizon),
        Objective(float(rng.choice([1.0, 0.7]))),
    )


@pytest.mark.parametrize("seed", range(120))
def test_no_random_assignment_is_better_than_the_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = any_problem(rng)
    relaxation = Formulation(problem).build()
    solved = bound(relaxation, problem.requests.workload, TimeBudget(10.0), ascend=True)
    assert solved is not None
    least = max(solved.lower_bound, lagrangian_bound(relaxation, np.zeros(len(relaxation.rows))))
    counts = np.array([problem.pools[p].count for p in problem.pool_of])
    answers_long = problem.requests.workload.output_tokens > 50
    for assignment in range(60):
        some = rng.choice(problem.k, size=int(rng.integers(1, 3)), replace=False)
        placement = rng.choice(some, problem.n)
        device = rng.integers(0, counts[placement])
        if assignment % 2:
            device = answers_long % counts[placement]
        evaluation = evaluate(problem, lay_out(problem, placement, device))
        assert evaluation.objective >= least - 1e-9 * abs(least)


def test_long_blocks_of_an_always_on_pool_save_no_more_idle_joules_than_the_bound_allows() -> None:
    """Long prompts raise the mean step of the placement, so a long answer alone idles little."""
    fitted = CostModel(
        llm="small",
        device="1xh100-sxm5-80gb",
        num_gpus=1,
        basis="kv_on",
        energy_coefficients=(2000.0, 0.0, 0.0, 0.0, 0.05, 0.0, 0.0),
        device_seconds_coefficients=(0.0, 2e-4, 0.0, 1e-3, 0.0, 0.0, 0.0),
        region=REGION,
        provenance=Provenance(source="test", engine="vllm", kv_cache="on", energy_scope="gpu"),
    )
    problem = PlacementProblem.build(
        requests(Workload(np.array([4000] * 4 + [1]), np.array([1] * 4 + [1000]))),
        [Pool("p", "x", 2, 500.0, "always_on", None, frozenset({"small"}))],
        [Placement("small", 0, 4, fitted, 0.5)],
        Limits(horizon_s=60.0),
    )
    schedule = lay_out(problem, np.zeros(5, dtype=np.int64), np.array([0, 0, 0, 0, 1]))
    relaxation = Formulation(problem).build()
    least = lagrangian_bound(relaxation, np.zeros(len(relaxation.rows)))
    assert least <= evaluate(problem, schedule).objective


def test_terms_that_cancel_leave_no_contradiction_but_a_real_one_is_reported() -> None:
    """One request on its dearest, best placement: cost and quality are 1 each, and the sum 0."""
    problem = three_llms(workload(1), objective=Objective(0.5))
    dearest = np.array([int((problem.costs.energy_j[0] * (problem.quality == 0.7)).argmax())])
    schedule = lay_out(problem, dearest, np.zeros(1, dtype=np.int64))
    evaluation = evaluate(problem, schedule)
    assert abs(evaluation.objective) < 1e-9

    def reported_bound(lower_bound: float) -> float:
        found = report(
            problem, schedule, evaluation, lower_bound, (), cut_by_clock=False, timings_s={}
        )
        return found.lower_bound

    assert reported_bound(evaluation.objective + 1e-11) == evaluation.objective
    with pytest.raises(BoundContradictedError):
        reported_bound(evaluation.objective + 1e-5)


@pytest.mark.parametrize("size", [0.0, 5e-324, 1e-300])
def test_rows_of_next_to_nothing_are_assigned_within(size: float) -> None:
    """No factor brings such a row to the integers of CP-SAT."""
    row = Row(PoolSeconds(0), np.full((2, 2), size), np.array([1.0, 0.0]), 2.0 * size)
    cost = np.array([[1.0, 3.0], [2.0, 1.0]])
    found = solve_assignment(
        AssignmentProblem(cost, np.ones((2, 2), dtype=bool), (row,)), Effort(10.0, 10.0)
    )
    assert found.counts is not None
    assert (cost * found.counts).sum() == 2.0


def test_a_continuous_variable_in_whole_steps_is_rounded_like_any_other() -> None:
    """Over a range of 2**30 its steps are 1: no whole number lies between 0.5 and 0.7."""
    makespan = Variable(Makespan(), 0.0, 2.0**30, 1.0)
    one, column = np.ones((1, 1)), np.ones(1)
    rows = (
        Row(MakespanSeconds(0), 0.5 * one, column, 0.0, variables={Makespan(): -1.0}),
        Row(PoolSeconds(0), 0.0 * one, column, 0.7, variables={Makespan(): 1.0}),
    )
    problem = AssignmentProblem(one, np.ones((1, 1), dtype=bool), rows, (makespan,))
    found = solve_assignment(problem, Effort(10.0, 10.0))
    assert found.counts is not None
    assert found.bound <= 1.5
