"""Which limits conflict, and that the answer says what they need however little time there is."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from planner.errors import InfeasibleError
from planner.infeasibility.infeasibility import explain, smallest_conflict
from planner.infeasibility.intervals import LimitInterval
from planner.infeasibility.joint import Joint
from planner.inputs import Limits
from planner.limits.extremes import proves_infeasible
from planner.limits.limit import Limit, limits_of
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import SolverOptions
from planner.time_budget import TimeBudget
from tests.planner.instances import three_llms, workload
from tests.planner.outcomes import solve

ROUNDING = 1e-9
FAR_OFF = Limits(deadline_s=1.0, max_energy_j=10.0, min_mean_quality=0.69)


def limits(count: int) -> list[Limit]:
    one = limits_of(three_llms(workload(2), limits=Limits(deadline_s=1.0)))[0]
    return [Limit(str(i), one.kind, 1.0, 1.0, one.with_value, one.achieved) for i in range(count)]


@pytest.mark.parametrize("seed", range(20))
def test_the_conflict_found_is_one_and_nothing_of_it_can_be_left_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    every = limits(12)
    known = [
        {str(i) for i in rng.choice(12, int(rng.integers(1, 5)), replace=False)}
        for _ in range(int(rng.integers(1, 4)))
    ]

    def conflicting(kept: list[Limit]) -> bool:
        names = {limit.name for limit in kept}
        return any(conflict <= names for conflict in known)

    found = smallest_conflict(every, conflicting)
    assert conflicting(found)
    for fewer in combinations(found, len(found) - 1):
        assert not conflicting(list(fewer))


def test_a_conflict_of_two_among_hundreds_takes_few_proofs() -> None:
    asked: list[int] = []

    def conflicting(kept: list[Limit]) -> bool:
        asked.append(len(kept))
        return {"3", "200"} <= {limit.name for limit in kept}

    found = smallest_conflict(limits(256), conflicting)
    assert [limit.name for limit in found] == ["3", "200"]
    assert len(asked) <= 4 * 8 + 4


def test_what_conflicts_together_is_reported_though_no_search_finds_a_plan() -> None:
    problem = three_llms(workload(60, 1), limits=FAR_OFF)
    error = explain(problem, lambda *_: None, proves_infeasible, TimeBudget(60.0))
    assert not error.relaxations
    moved = {found.constraint: found for found in error.joint_relaxation}
    assert {"deadline_seconds", "max_energy_joules"} <= set(moved)
    mended = Limits(
        deadline_s=moved["deadline_seconds"].needed,
        max_energy_j=moved["max_energy_joules"].needed,
        min_mean_quality=moved["min_mean_quality"].needed if "min_mean_quality" in moved else 0.69,
    )
    assert plan(problem.with_limits(mended), SolverOptions(time_limit_s=60.0)).cut_by_clock is False


def test_limits_that_are_all_far_off_are_moved_together() -> None:
    problem = three_llms(workload(60, 1), limits=FAR_OFF)
    with pytest.raises(InfeasibleError) as caught:
        plan(problem, SolverOptions(time_limit_s=20.0))
    moved = {found.constraint: found for found in caught.value.joint_relaxation}
    assert moved["deadline_seconds"].needed_lower_bound > FAR_OFF.deadline_s
    assert moved["max_energy_joules"].needed_lower_bound > FAR_OFF.max_energy_j
    for found in moved.values():
        assert abs(found.needed - found.given) >= abs(found.needed_lower_bound - found.given)


def test_a_policy_that_breaks_one_limit_says_how_far_that_has_to_move() -> None:
    problem = three_llms(workload(60, 1), limits=Limits(deadline_s=1.0, min_mean_quality=0.65))
    every = limits_of(problem)
    joint = Joint(problem, every, lambda *_: None, lambda *_: False, TimeBudget(60.0), seed=0)
    joint.compare_policies()
    assert set(joint.alone) == {"deadline_seconds"}
    mended = every[0].with_value(problem, joint.alone["deadline_seconds"])
    assert plan(mended, SolverOptions(time_limit_s=60.0)).mean_quality >= 0.65


def test_a_limit_that_cannot_mend_it_alone_is_not_tried_for_seconds() -> None:
    problem = three_llms(workload(60, 1), limits=FAR_OFF)
    asked: list[float] = []
    interval = LimitInterval(
        problem, limits_of(problem)[0], lambda *_: asked.append(1.0), TimeBudget(60.0)
    )
    interval.initialise()
    assert interval.done
    assert interval.relaxation() is None
    assert asked == []


@pytest.mark.parametrize("seed", [11, 13, 18, 28, 57])
def test_limits_moved_together_have_a_plan_in_the_order_of_the_deadlines(seed: int) -> None:
    # Devices run by deadline: what is found without deadlines runs in another order, for less.
    rng = np.random.default_rng(seed)
    n, count, slots = int(rng.integers(5, 9)), int(rng.integers(1, 4)), int(rng.choice([2, 4]))
    share = float(rng.choice([0.9, 0.95, 0.99, 1.0, 1.01]))
    deadline_s = np.where(rng.random(n) < 0.4, 1e-5, np.inf)
    deadline_s[0] = 1e-5
    free = three_llms(workload(n, seed), count=count, concurrency=(slots,), deadline_s=deadline_s)
    free = PlacementProblem.build(free.requests, free.pools[:1], free.placements[:1])
    limits = Limits(max_energy_j=share * float(free.costs.energy_j.sum()))
    with pytest.raises(InfeasibleError) as error:
        plan(free.with_limits(limits), SolverOptions(10.0))
    needed = {one.constraint: one.needed for one in error.value.joint_relaxation}
    mended_s = deadline_s * needed["requests/deadline_seconds"] * (1.0 + ROUNDING)
    mended = replace(
        free,
        requests=replace(free.requests, deadline_s=mended_s),
        limits=Limits(max_energy_j=needed["max_energy_joules"] * (1.0 + ROUNDING)),
    )
    assert not solve(mended).infeasible
