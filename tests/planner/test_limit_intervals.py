"""What a conflict needs: attained by a plan, proven by a bound, and close together."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.slow_rules.exhaustive import best
from planner.errors import InfeasibleError, LimitChange
from planner.infeasibility.infeasibility import why_not
from planner.inputs import Limits, Share
from planner.limits.limit import Limit, limits_of
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.progress import Progress
from planner.result import SolverOptions
from planner.search.solver import Solver
from planner.time_budget import TimeBudget
from tests.planner.instances import three_llms, workload
from tests.planner.small_instances import small_problem

PATIENT = SolverOptions(time_limit_s=240.0, relative_gap=1e-3)
CLOSE = 1e-3
OWN = np.random.default_rng(3).choice([200.0, 400.0, 600.0, 800.0], 3000)


def refusal(problem: PlacementProblem) -> InfeasibleError:
    with pytest.raises(InfeasibleError) as caught:
        plan(problem, PATIENT)
    return caught.value


def limit_named(problem: PlacementProblem, name: str) -> Limit:
    return next(limit for limit in limits_of(problem) if limit.name == name)


def width(found: LimitChange) -> float:
    return abs(found.needed - found.needed_lower_bound) / abs(found.needed)


def available(problem: PlacementProblem, seconds: float) -> PlacementProblem:
    pools = (problem.pools[0], replace(problem.pools[1], available_s=seconds))
    return replace(problem, pools=pools)


def conflicts() -> dict[str, PlacementProblem]:
    """One batch for each kind of limit, none of whose requests weighs much."""
    load = workload(3000, 5)
    slow = Limits(min_mean_quality=0.62)
    return {
        "deadline_seconds": three_llms(load, limits=replace(slow, deadline_s=2000.0)),
        "requests/deadline_seconds": three_llms(load, deadline_s=OWN),
        "pools/b/available_seconds": available(
            three_llms(load, limits=replace(slow, deadline_s=4500.0)), 1000.0
        ),
        "max_energy_joules": three_llms(load, limits=replace(slow, max_energy_j=1.5e6)),
        "min_mean_quality": three_llms(load, limits=Limits(3000.0, min_mean_quality=0.65)),
        "shares/large/min": three_llms(load, limits=Limits(3000.0, shares={"large": Share(0.8)})),
        "shares/small/max": three_llms(
            load, limits=Limits(2000.0, shares={"small": Share(0.0, 0.1)})
        ),
        "min_requests/large": three_llms(load, limits=Limits(3000.0, min_requests={"large": 2700})),
    }


@pytest.mark.parametrize("name", conflicts())
def test_what_each_kind_of_limit_needs_is_known_to_a_thousandth(name: str) -> None:
    problem = conflicts()[name]
    refused = refusal(problem)
    assert name in refused.conflict
    relaxations = {relaxation.constraint: relaxation for relaxation in refused.relaxations}
    if name == "deadline_seconds":
        assert set(refused.conflict) == set(relaxations) == {name, "min_mean_quality"}
    found = relaxations[name]
    limit = limit_named(problem, name)
    assert (found.needed - found.given) * limit.direction > 0.0
    assert (found.needed - found.needed_lower_bound) * limit.direction >= 0.0
    one_request = 1.0 if limit.counts else 1.0 / problem.n
    apart = abs(found.needed - found.needed_lower_bound)
    assert width(found) <= CLOSE or (limit.llm and apart <= 1.000001 * one_request)
    mended = plan(limit.with_value(problem, found.needed), PATIENT)
    assert mended.placement.shape == (problem.n,)


@pytest.mark.parametrize("seed", range(300, 324))
def test_no_assignment_of_a_tiny_batch_does_with_less_than_is_proven(seed: int) -> None:
    problem = small_problem(seed)
    if best(problem) is not None:
        return
    for found in refusal(problem).relaxations:
        limit = limit_named(problem, found.constraint)
        assert best(limit.with_value(problem, found.needed)) is not None
        if limit.llm is not None:
            continue
        tighter = found.needed_lower_bound * (1.0 - limit.direction * 1e-6)
        if (tighter - found.given) * limit.direction > 0.0:
            assert best(limit.with_value(problem, tighter)) is None


def test_limits_that_only_help_together_are_moved_together() -> None:
    limits = Limits(deadline_s=10.0, max_energy_j=100.0)
    problem = three_llms(workload(60, 1), limits=limits)
    refused = refusal(problem)
    assert not refused.relaxations
    moved = {found.constraint: found for found in refused.joint_relaxation}
    assert set(moved) == {"deadline_seconds", "max_energy_joules"}
    mended = Limits(
        deadline_s=moved["deadline_seconds"].needed, max_energy_j=moved["max_energy_joules"].needed
    )
    assert plan(problem.with_limits(mended), PATIENT).makespan_s <= mended.deadline_s * (1 + 1e-9)
    for found in moved.values():
        assert found.given < found.needed_lower_bound <= found.needed
    soonest, least = (found.needed_lower_bound for found in moved.values())
    for hopeless in (Limits(deadline_s=0.99 * soonest), Limits(max_energy_j=0.99 * least)):
        assert refusal(problem.with_limits(hopeless)).conflict


def test_explaining_says_how_far_it_is() -> None:
    phases: list[str] = []

    def on_progress(progress: Progress) -> None:
        phases.append(progress.phase)

    problem = three_llms(workload(60, 1), limits=Limits(deadline_s=10.0))
    with pytest.raises(InfeasibleError):
        plan(problem, PATIENT, on_progress)
    assert phases.count("explaining") > 1


def test_an_explanation_cut_by_the_clock_says_so_and_contains_the_truth_all_the_same() -> None:
    problem = conflicts()["deadline_seconds"]
    solver = Solver(problem, SolverOptions(), TimeBudget(60.0))
    solver.run()
    solver.budget = TimeBudget(0.05)
    cut = why_not(solver)
    assert isinstance(cut, InfeasibleError)
    assert "deadline_seconds" in cut.conflict
    whole = {r.constraint: r for r in refusal(problem).relaxations}["deadline_seconds"]
    for found in cut.relaxations:
        if found.constraint == "deadline_seconds":
            assert found.needed_lower_bound <= whole.needed
            assert found.needed >= whole.needed_lower_bound


def switched_on(seconds: float, available_s: float | None = None, **given: Any) -> PlacementProblem:
    """Return three requests on pools whose devices take some seconds to switch on."""
    plain = three_llms(workload(3, 5), **given)
    pools = tuple(
        replace(pool, activation_s=seconds, available_s=available_s) for pool in plain.pools
    )
    return replace(plain, pools=pools)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "requests/deadline_seconds",
            switched_on(60.0, deadline_s=np.array([1.0, np.inf, np.inf])),
        ),
        ("requests/deadline_seconds", switched_on(60.0, deadline_s=np.array([1e-6, 2.0, 3e3]))),
        ("deadline_seconds", switched_on(60.0, limits=Limits(deadline_s=1.0))),
    ],
)
def test_limits_shorter_than_switching_on_are_refused_with_what_they_need(
    name: str, problem: PlacementProblem
) -> None:
    refused = refusal(problem)
    [found] = refused.relaxations
    assert found.constraint == name
    assert found.given < found.needed_lower_bound <= found.needed
    limit = limit_named(problem, name)
    assert plan(limit.with_value(problem, found.needed), PATIENT).placement.shape == (3,)


def test_pools_that_close_before_they_are_on_are_refused_with_what_they_need() -> None:
    refused = refusal(switched_on(60.0, available_s=1.0))
    assert {found.constraint for found in refused.relaxations} <= set(refused.conflict)
    joint = refused.relaxations or refused.joint_relaxation
    assert joint
    for found in joint:
        assert found.given <= found.needed_lower_bound <= found.needed
        assert found.needed > 60.0


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_no_deadline_is_said_to_need_more_than_some_plan_keeps(seconds: float) -> None:
    """What loads and switching on leave of a device grows faster than its deadline."""
    due = np.repeat([20.0 + 0.5 * seconds, 400.0], 15)
    plain = three_llms(workload(30, 5), count=1, resident=False, deadline_s=due)
    pools = tuple(replace(pool, activation_s=seconds) for pool in plain.pools)
    [found] = refusal(replace(plain, pools=pools)).relaxations
    assert found.constraint == "requests/deadline_seconds"
    assert found.needed_lower_bound <= found.needed
    assert width(found) <= CLOSE
