"""Plans that keep their deadlines at a stated probability."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from planner.errors import InfeasibleError, UnattainedConfidenceError, UndecidedError
from planner.inputs import Limits
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import Plan, SolverOptions
from planner.robustness.bulk import bulk_ends
from planner.robustness.padding import padded, share_to_keep
from planner.robustness.robust_planner import plan_robustly
from planner.robustness.scenarios import Scenarios
from planner.robustness.simulation import device_seconds, worst_ratios
from planner.robustness.slots import latest_ends, line_ends
from planner.schedule.evaluation import evaluate
from planner.schedule.schedule import lay_out
from tests.planner.instances import three_llms, workload
from tests.planner.uncertain import slow_share_kept, uncertain

OPTIONS = SolverOptions(time_limit_s=60.0, relative_gap=0.02)


def tight(n: int, factor: float, **terms: object) -> PlacementProblem:
    """A problem due when the cheapest placement alone, on all its devices, has done the work.

    Times `factor`; the other pool is twice as fast and costs 15 % more.
    """
    free = uncertain(n, Limits(), **terms)  # type: ignore[arg-type]
    deadline_s = factor * float(free.costs.device_seconds[:, 0].sum()) / free.pools[0].count
    return uncertain(n, Limits(deadline_s=deadline_s), **terms)  # type: ignore[arg-type]


def confident(problem: PlacementProblem, confidence: float) -> PlacementProblem:
    return replace(problem, limits=replace(problem.limits, confidence=confidence))


@pytest.mark.parametrize(
    "terms",
    [
        {"factor": 0.8},
        {"factor": 0.8, "own_deadlines": True},
        {"factor": 1.2, "resident": False},
        {"factor": 2.5, "concurrency": (8,)},
        {"factor": 0.5, "concurrency": (1, 8), "resident": False},
    ],
)
def test_the_estimate_agrees_with_a_slow_replay_of_the_plan(terms: dict[str, object]) -> None:
    problem = confident(tight(40, **terms), 0.8)  # type: ignore[arg-type]
    found = plan_robustly(problem, OPTIONS)
    assert found.robustness is not None
    estimate = found.robustness.estimated_confidence
    slow = slow_share_kept(problem, found, 300, seed=1)
    error = math.sqrt(max(slow * (1 - slow), 0.02) / 300) + found.robustness.standard_error
    assert abs(slow - estimate) < 4 * error
    assert estimate >= share_to_keep(0.8, found.robustness.scenarios) - 1e-12
    assert slow >= 0.8 - 3 * error


def test_a_robust_plan_keeps_every_limit_as_predicted_and_its_bound_holds() -> None:
    problem = confident(tight(40, 0.8, own_deadlines=True), 0.9)
    found = plan_robustly(problem, OPTIONS)
    evaluation = evaluate(problem, lay_out(problem, found.placement, found.device_index))
    assert evaluation.violations == ()
    assert evaluation.energy_j == pytest.approx(found.energy.value_j)
    assert found.lower_bound <= found.objective
    assert found.absolute_gap == pytest.approx(found.objective - found.lower_bound)
    plain = plan(problem, OPTIONS)
    assert found.lower_bound <= plain.objective


def test_more_confidence_never_takes_less_padding_or_joules() -> None:
    problem = tight(40, 1.0, spread=2.0)
    answers = [plan_robustly(confident(problem, c), OPTIONS) for c in (0.5, 0.8, 0.9, 0.95)]
    stated = [answer.robustness for answer in answers if answer.robustness is not None]
    assert len(stated) == 4
    assert stated[-1].padding > stated[0].padding
    for lower, higher in itertools.pairwise(stated):
        assert higher.padding >= lower.padding - 0.005 - 1e-9
        assert higher.estimated_confidence >= lower.estimated_confidence
    for cheaper, dearer in itertools.pairwise(answers):
        assert dearer.energy.value_j >= cheaper.energy.value_j * (1 - 2 * OPTIONS.relative_gap)


def test_the_price_is_the_difference_to_the_plan_without_a_confidence() -> None:
    problem = tight(40, 0.8)
    plain = plan(problem, OPTIONS)
    found = plan_robustly(confident(problem, 0.9), OPTIONS)
    assert found.robustness is not None
    assert found.robustness.energy_without_j == pytest.approx(plain.energy.value_j, rel=0.005)
    assert found.energy.value_j == pytest.approx(
        found.robustness.energy_without_j * (1 + found.robustness.extra_energy_ratio)
    )


def test_without_any_spread_the_plan_is_the_plain_one() -> None:
    problem = confident(
        three_llms(workload(50), limits=Limits(deadline_s=900.0, min_mean_quality=0.6)), 0.95
    )
    scenarios = Scenarios.draw(problem, 0, campaign_ratio=0.0)
    assert not scenarios.spread
    found = plan_robustly(problem, OPTIONS, scenarios=scenarios)
    plain = plan(problem, OPTIONS)
    assert np.array_equal(found.placement, plain.placement)
    assert found.robustness is not None
    assert found.robustness.estimated_confidence == found.robustness.padding == 1.0
    assert found.robustness.extra_energy_ratio == 0.0


def test_a_replay_without_spread_is_the_schedule_itself() -> None:
    problem = three_llms(
        workload(70), limits=Limits(deadline_s=900.0), concurrency=(1, 8), resident=False
    )
    found = plan(problem, OPTIONS)
    schedule = lay_out(problem, found.placement, found.device_index)
    ratios = worst_ratios(schedule, Scenarios(problem, 0, 5, campaign_ratio=0.0))
    assert ratios == pytest.approx(np.full(5, schedule.makespan_s / 900.0))


def test_a_first_plan_that_takes_most_of_the_time_is_used_all_the_same() -> None:
    limit_s = 60.0

    def slow(
        problem: PlacementProblem, options: SolverOptions, *rest: object, **terms: bool
    ) -> Plan:
        if max(options.time_limit_s, options.first_plan_s) < 0.5 * limit_s:
            raise UndecidedError("The time limit was up.")
        return plan(problem, replace(options, time_limit_s=limit_s))

    problem = confident(tight(40, 1.5), 0.8)
    found = plan_robustly(problem, SolverOptions(limit_s), planner=slow)
    assert found.robustness is not None
    assert found.robustness.estimated_confidence >= 0.8


def test_without_a_deadline_any_plan_is_sure_and_a_warning_says_so() -> None:
    found = plan_robustly(confident(uncertain(30, Limits()), 0.9), OPTIONS)
    assert found.robustness is not None
    assert found.robustness.estimated_confidence == 1.0
    assert "confidence_without_deadline" in {warning.code for warning in found.warnings}


def test_cost_models_without_an_interval_are_named() -> None:
    problem = uncertain(30, Limits(deadline_s=2000.0, confidence=0.8), quantile=None)
    codes = {warning.code for warning in plan_robustly(problem, OPTIONS).warnings}
    assert "interval_unknown" in codes


def test_a_confidence_out_of_reach_says_what_is_within_it() -> None:
    problem = tight(12, 1.0, spread=3.0)
    with pytest.raises(UnattainedConfidenceError) as caught:
        plan_robustly(confident(problem, 0.99), OPTIONS)
    error = caught.value
    assert error.conflict == ("confidence", "deadline_seconds")
    assert error.attainable_confidence < 0.99
    needed = {relaxation.constraint: relaxation for relaxation in error.relaxations}
    longer_s, given_s = needed["deadline_seconds"].needed, problem.limits.deadline_s or 0.0
    assert longer_s > given_s
    # A fifth more than needed: the search for a padding need not come upon the same plan again.
    loosened = replace(problem, limits=replace(problem.limits, deadline_s=1.2 * longer_s))
    assert plan_robustly(confident(loosened, 0.99), OPTIONS).robustness


def test_a_problem_without_any_plan_is_infeasible_as_ever() -> None:
    problem = uncertain(30, Limits(deadline_s=0.5, confidence=0.9))
    with pytest.raises(InfeasibleError) as caught:
        plan_robustly(problem, OPTIONS)
    assert caught.value.conflict == ("deadline_seconds",)


def test_the_same_seed_gives_the_same_plan() -> None:
    problem = confident(tight(40, 0.8), 0.85)
    first, second = (plan_robustly(problem, OPTIONS) for _ in range(2))
    assert np.array_equal(first.placement, second.placement)
    assert first.robustness == second.robustness


def test_padding_divides_every_deadline_and_availability() -> None:
    problem = tight(20, 1.5, own_deadlines=True)
    pools = tuple(replace(pool, available_s=500.0) for pool in problem.pools)
    tighter = padded(replace(problem, pools=pools), 1.25)
    assert tighter.limits.deadline_s == pytest.approx((problem.limits.deadline_s or 0) / 1.25)
    assert tighter.requests.deadline_s == pytest.approx(problem.requests.deadline_s / 1.25)
    assert {pool.available_s for pool in tighter.pools} == {400.0}


@pytest.mark.parametrize("slots", [1, 3, 40])
def test_a_line_is_served_in_order_by_the_slot_that_is_free_first(slots: int) -> None:
    held = np.random.default_rng(0).uniform(1.0, 9.0, (25, 6))
    ends = line_ends(held, slots)
    for scenario in range(6):
        free = [0.0] * slots
        for request in range(25):
            slot = free.index(min(free))
            free[slot] += held[request, scenario]
            assert ends[request, scenario] == pytest.approx(free[slot])


def test_the_bound_for_long_lines_is_never_below_the_line() -> None:
    held = np.random.default_rng(0).lognormal(0.0, 1.0, (2000, 8))
    exact, bound = line_ends(held, 16), latest_ends(held, 16)
    assert np.all(bound >= exact - 1e-9)
    assert np.all(bound.max(axis=0) <= exact.max(axis=0) * 1.1)


def test_lines_followed_in_some_scenarios_end_as_those_followed_in_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = np.random.default_rng(0).lognormal(0.0, 0.8, (400, 300))
    exact = line_ends(held, 32).max(axis=0)
    monkeypatch.setattr("planner.robustness.slots.EXACT_OPERATIONS", 0)
    scaled = line_ends(held, 32).max(axis=0)
    assert not np.array_equal(exact, scaled)
    for share in (0.1, 0.5, 0.9):
        assert np.quantile(scaled, share) == pytest.approx(np.quantile(exact, share), rel=0.02)


def test_blocks_in_bulk_end_as_blocks_request_by_request() -> None:
    problem = uncertain(1500, Limits(deadline_s=5000.0))
    scenarios = Scenarios(problem, 0, 1500)
    members = np.arange(1500)
    _, bulk = bulk_ends(scenarios, 0, 0, members)
    held = device_seconds(problem, 0, members, scenarios.tokens(members))
    held *= scenarios.factors(0, problem.costs.device_seconds[members, 0])
    singly = held.sum(axis=0)
    assert bulk[-1].mean() == pytest.approx(singly.mean(), rel=0.01)
    for share in (0.1, 0.5, 0.9, 0.98):
        assert np.quantile(bulk[-1], share) == pytest.approx(np.quantile(singly, share), rel=0.02)
