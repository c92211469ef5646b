"""Nothing takes longer than its time limit, a tenth and half a second, however many deadlines."""

import contextlib
import threading
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from planner.errors import InfeasibleError, UndecidedError
from planner.inputs import Limits
from planner.interruption import TimeIsUpError, run_within, uninterrupted
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.quantities import PoolSeconds
from planner.result import SolverOptions
from planner.search.feasibility import FeasibilitySearch
from planner.search.incumbent import Incumbent
from planner.solvers.assignment_problem import AssignmentProblem, Row
from planner.solvers.cpsat import Effort, solve_assignment
from planner.solvers.linear import solve_linear
from planner.threads import in_threads
from planner.time_budget import TimeBudget
from tests.planner.instances import three_llms, workload


def spin() -> None:
    while True:
        sum(range(1000))


def test_work_that_never_ends_ends_when_its_time_is_up() -> None:
    budget = TimeBudget(0.2)
    assert run_within(budget, spin) is None
    assert budget.cut
    assert 0.2 <= budget.elapsed_s < 30.0


def test_work_that_ends_in_time_is_not_cut_later() -> None:
    budget = TimeBudget(1.0)
    assert run_within(budget, lambda: 7) == 7
    time.sleep(1.2)
    assert not budget.cut


def test_the_outer_limit_ends_inner_work_whose_own_is_longer() -> None:
    outer, inner = TimeBudget(0.2), TimeBudget(600.0)
    assert run_within(outer, lambda: run_within(inner, spin)) is None
    assert outer.cut
    assert not inner.cut


def test_the_inner_limit_leaves_the_outer_work_running() -> None:
    outer, inner = TimeBudget(600.0), TimeBudget(0.1)
    assert run_within(outer, lambda: (run_within(inner, spin), "went on")) == (None, "went on")
    assert not outer.cut


def test_waiting_for_threads_is_cut_too() -> None:
    release = threading.Event()
    budget = TimeBudget(0.2)
    try:
        assert (
            run_within(budget, lambda: in_threads(lambda _: release.wait(60), [1], 10**6)) is None
        )
    finally:
        release.set()
    assert budget.elapsed_s < 30.0


def test_nothing_on_the_way_takes_a_cut_for_a_failure() -> None:
    def stubborn() -> None:
        while True:
            with contextlib.suppress(Exception):
                spin()

    assert run_within(TimeBudget(0.2), stubborn) is None


def test_what_must_not_be_left_half_done_is_cut_right_after_it() -> None:
    ended, budget = [], TimeBudget(1.0)

    def work() -> None:
        within = TimeBudget(budget.left_s + 1.0)
        with uninterrupted():
            while within.left_s:
                sum(range(1000))
            ended.append("whole")
        ended.append("went on")

    assert run_within(budget, work) is None
    assert ended == ["whole"]
    assert run_within(TimeBudget(60.0), lambda: 7) == 7


def test_a_cut_that_is_lost_where_an_object_is_destroyed_comes_again() -> None:
    class Slow:
        def __del__(self) -> None:
            within = TimeBudget(budget.left_s + 1.0)
            while within.left_s:
                sum(range(1000))

    def work() -> None:
        Slow()
        spin()

    budget = TimeBudget(1.0)
    assert run_within(budget, work) is None
    assert budget.elapsed_s >= 1.0


def test_errors_of_the_work_pass() -> None:
    with pytest.raises(ZeroDivisionError):
        run_within(TimeBudget(60.0), lambda: 1 // 0)
    assert not issubclass(TimeIsUpError, ArithmeticError)


def test_an_incumbent_is_kept_when_the_search_is_cut() -> None:
    problem = three_llms(workload(50, 1))
    incumbent = Incumbent(problem)

    def search() -> None:
        incumbent.offer_placement(np.zeros(problem.n, dtype=np.int64))
        spin()

    run_within(TimeBudget(2.0), search)
    assert incumbent.schedule is not None
    assert incumbent.evaluation is not None


def planning_s(problem: PlacementProblem, limit_s: float) -> float:
    """Return the seconds of a plan, less those in which a busy machine lets it wait."""
    wall_s, running_s = time.perf_counter(), time.process_time()
    with contextlib.suppress(UndecidedError, InfeasibleError):
        plan(problem, SolverOptions(time_limit_s=limit_s))
    return min(time.perf_counter() - wall_s, time.process_time() - running_s)


@pytest.mark.parametrize("limit_s", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("tight", [False, True])
def test_plans_of_many_deadlines_keep_their_limit(limit_s: float, *, tight: bool) -> None:
    n = 20_000
    due = np.linspace(300.0, 900.0, n) * (0.01 if tight else 100.0)
    problem = three_llms(workload(n, 3), deadline_s=due, limits=Limits(min_mean_quality=0.56))
    assert planning_s(problem, limit_s) <= 1.1 * limit_s + 0.5


def test_time_goes_on_until_something_is_found_and_then_ends_at_its_first_limit() -> None:
    patient = TimeBudget(0.0, 60.0)
    assert patient.left_s > 30.0
    assert not patient.spent()
    patient.end_extension()
    assert patient.left_s == 0.0
    assert patient.spent()
    assert TimeBudget(60.0, 0.0).left_s > 30.0


def test_a_first_plan_is_looked_for_beyond_the_limit_where_that_is_allowed() -> None:
    problem = three_llms(workload(300, 3), limits=Limits(3000.0, min_mean_quality=0.56))
    found = plan(problem, SolverOptions(time_limit_s=1e-6, first_plan_s=60.0))
    assert found.cut_by_clock
    assert found.placement.shape == (problem.n,)


@pytest.mark.parametrize("limit_s", [0.5, 2.0])
def test_plans_over_many_pools_keep_their_limit(limit_s: float) -> None:
    problem = over_pools(three_llms(workload(1500, 3), limits=Limits(60.0, min_mean_quality=0.6)))
    assert planning_s(problem, limit_s) <= 1.1 * limit_s + 0.5


def over_pools(problem: PlacementProblem, copies: int = 30) -> PlacementProblem:
    """Return the problem with each pool repeated, with times and joules of its own."""
    pools, placements = problem.pools, problem.placements
    repeated = [
        replace(
            pool,
            name=f"{pool.name}-{copy}",
            available_s=100.0 + copy,
            activation_j=50.0,
            activation_s=2.0,
        )
        for copy in range(copies)
        for pool in pools
    ]
    there = [
        replace(placement, pool=copy * len(pools) + placement.pool)
        for copy in range(copies)
        for placement in placements
    ]
    return PlacementProblem.build(problem.requests, repeated, there, problem.limits)


@pytest.mark.parametrize("limit_s", [0.001, 0.03, 0.1, 0.3])
def test_a_programme_that_has_a_solution_and_yields_none_was_cut(limit_s: float) -> None:
    # GLOP ends before its limit where its next step might not: the clock alone does not tell.
    rng = np.random.default_rng(1)
    n, k = 1500, 10
    rows = tuple(
        Row(PoolSeconds(r), rng.random((n, k)), rng.random(k), float(n)) for r in range(12)
    )
    problem = AssignmentProblem(rng.random((n, k)), np.ones((n, k), dtype=bool), rows)
    budget = TimeBudget(limit_s)
    assert solve_linear(problem, budget) is not None or budget.cut


@pytest.mark.parametrize(
    ("seconds", "deterministic_seconds", "by_clock"), [(0.5, 1e6, True), (600.0, 1e-3, False)]
)
def test_cp_sat_says_which_of_its_limits_ended_it(
    seconds: float, deterministic_seconds: float, *, by_clock: bool
) -> None:
    # Open after 90 s of search, so that no machine proves the best within either limit.
    rng = np.random.default_rng(1)
    n, k = 2000, 10
    work = rng.lognormal(0.0, 1.0, (n, k))
    rows = tuple(
        Row(PoolSeconds(j), work, np.eye(k)[j], 0.8 * float(work.mean()) * n / k) for j in range(k)
    )
    problem = AssignmentProblem(rng.random((n, k)), np.ones((n, k), dtype=bool), rows)
    found = solve_assignment(problem, Effort(seconds, deterministic_seconds))
    assert found.clock_cut == by_clock


def test_devices_beyond_the_requests_take_nothing_of_a_search() -> None:
    def peak_bytes(count: int) -> int:
        problem = three_llms(workload(40), count=count, limits=Limits(max_energy_j=1.0))
        incumbent = Incumbent(problem)
        incumbent.offer_placement(np.zeros(40, dtype=np.int64))
        search = FeasibilitySearch(problem, incumbent, TimeBudget(0.0), 0)
        tracemalloc.start()
        try:
            search.run()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_bytes(100_000) < 2 * peak_bytes(100)
