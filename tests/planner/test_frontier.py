"""Fronts of a few requests against every assignment there is, and what must hold of every front."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.slow_rules.pricing import price
from benchmarks.slow_rules.schedule import Slow
from planner.errors import InfeasibleError, UnplaceableError
from planner.frontier.axes import AXES, AxisName, limited_and_minimised
from planner.frontier.dominance_filter import at_most
from planner.frontier.points import Candidate, Ends, Front, FrontPoint, Step, Summary
from planner.frontier.sweep import trace
from planner.inputs import Limits, Share
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import SolverOptions
from tests.planner.instances import three_llms, workload
from tests.planner.small_instances import tiny_priced_problem

EXACT = SolverOptions(time_limit_s=60.0, relative_gap=1e-6)
PAIRS: list[tuple[AxisName, AxisName]] = list(itertools.permutations(AXES, 2))


def costs_of_all_assignments(
    problem: PlacementProblem, axes: tuple[AxisName, AxisName]
) -> set[tuple[float, float]]:
    """Cost on both axes of every assignment that keeps the limits."""
    options = [
        (k, d)
        for k in range(problem.k)
        for d in range(problem.pools[problem.placements[k].pool].count)
    ]
    found = set()
    for assignment in itertools.product(options, repeat=problem.n):
        placement, device = [k for k, _ in assignment], [d for _, d in assignment]
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
    return [step.candidate for step in steps if isinstance(step, FrontPoint)]


def costs_in(found: Candidate, axes: tuple[AxisName, AxisName]) -> tuple[float, float]:
    limited = limited_and_minimised(axes)[0].name
    pair = (found.limited_cost, found.minimised_cost)
    return pair if axes[0] == limited else (pair[1], pair[0])


@pytest.mark.parametrize("seed", range(14))
def test_the_points_of_a_small_front_are_among_those_of_all_assignments(seed: int) -> None:
    axes = PAIRS[(3 * seed) % len(PAIRS)]
    problem = tiny_priced_problem(seed)
    true = front_of(costs_of_all_assignments(problem, axes))
    steps = traced(problem, Front(axes, 6))
    found = [costs_in(point, axes) for point in points_of(steps)]
    for pair in found:
        assert any(pair == pytest.approx(one, rel=1e-6) for one in true), (pair, true)
    ordered = found if AXES[axes[0]].sign > 0 else found[::-1]
    assert ordered[0] == pytest.approx(true[0], rel=1e-6)
    assert ordered[-1] == pytest.approx(true[-1], rel=1e-6)
    assert all(point.gap <= 1e-6 for point in points_of(steps))


def sensible(axes: tuple[AxisName, AxisName], **limits: object) -> PlacementProblem:
    """Forty requests on a fast, dear and clean pool and a slow, cheap and dirty one."""
    problem = three_llms(workload(40), limits=Limits(**limits))  # type: ignore[arg-type]
    figures = [
        {"carbon_g_per_kwh": 600.0, "price_per_kwh": 0.1, "price_per_device_hour": 1.0},
        {"carbon_g_per_kwh": 30.0, "price_per_kwh": 0.3, "price_per_device_hour": 4.0},
    ]
    pools = [replace(p, **f) for p, f in zip(problem.pools, figures, strict=True)]  # type: ignore[arg-type]
    return replace(problem, pools=tuple(pools))


QUICK = SolverOptions(time_limit_s=40.0, relative_gap=1e-3)


@pytest.mark.parametrize(
    "axes",
    [
        ("energy", "makespan"),
        ("makespan", "mean_quality"),
        ("mean_quality", "energy"),
        ("money", "carbon"),
    ],
)
def test_points_are_in_order_not_dominated_and_bounded(axes: tuple[AxisName, AxisName]) -> None:
    steps = traced(sensible(axes), Front(axes, 6), QUICK)
    ends, summary, points = steps[0], steps[-1], points_of(steps)
    assert isinstance(ends, Ends)
    assert isinstance(summary, Summary)
    assert [step.index for step in steps if isinstance(step, FrontPoint)] == list(
        range(len(points))
    )
    assert summary.points == len(points) >= 3
    signed = [costs_in(point, axes) for point in points]
    sign = AXES[axes[0]].sign
    along, across = np.array(signed).T
    assert (np.diff(along) * sign > 0.0).all()
    assert (np.diff(across) * sign < 0.0).all()
    for point in points:
        assert point.bound <= point.minimised_cost
        assert point.gap >= 0.0
    first, last = points[0], points[-1]
    tightest, loosest = (first, last) if first.limited_cost < last.limited_cost else (last, first)
    assert at_most(tightest.limited_cost, ends.least_limited.limited_cost)
    assert at_most(loosest.minimised_cost, ends.least_minimised.minimised_cost)


@pytest.mark.parametrize("axes", [("energy", "mean_quality"), ("carbon", "money")])
def test_the_ends_are_the_optima_of_either_axis_within_their_gaps(
    axes: tuple[AxisName, AxisName],
) -> None:
    problem = sensible(axes)
    ends = traced(problem, Front(axes, 2), QUICK)[0]
    assert isinstance(ends, Ends)
    for axis, cost, bound in (
        (ends.minimised, ends.least_minimised.minimised_cost, ends.least_minimised.bound),
        (ends.limited, ends.least_limited.limited_cost, ends.limited_bound),
    ):
        alone = plan(axis.minimise(problem), QUICK)
        proven = alone.lower_bound * axis.objective_unit(axis.minimise(problem))
        assert bound <= axis.cost(alone) + 1e-9
        assert proven <= cost + 1e-9


def test_the_least_makespan_is_close_to_its_bound() -> None:
    ends = traced(sensible(("energy", "makespan")), Front(("energy", "makespan"), 2), QUICK)[0]
    assert isinstance(ends, Ends)
    assert ends.limited.name == "makespan"
    assert 0.0 <= ends.limited_gap <= 0.05


def test_every_point_keeps_the_limits_of_the_call() -> None:
    axes: tuple[AxisName, AxisName] = ("energy", "mean_quality")
    limits = {"deadline_s": 400.0, "shares": {"large": Share(0.1, 0.5)}, "max_energy_j": 9e4}
    problem = sensible(axes, **limits)
    found = points_of(traced(problem, Front(axes, 5), QUICK))
    assert len(found) >= 2
    for point in found:
        assert point.makespan_s <= 400.0 * (1 + 1e-9)
        assert point.energy.value_j <= 9e4 * (1 + 1e-9)
        large = sum(u.requests for u in point.usage if problem.placements[u.index].llm == "large")
        assert 4 <= large <= 20


def test_the_same_front_is_walked_either_way() -> None:
    problem = tiny_priced_problem(8)
    one = points_of(traced(problem, Front(("energy", "mean_quality"), 8)))
    other = points_of(traced(problem, Front(("mean_quality", "energy"), 8)))
    ends = [[(p.limited_cost, p.minimised_cost) for p in points] for points in (one, other)]
    assert ends[0][0] == pytest.approx(ends[1][0])
    assert ends[0][-1] == pytest.approx(ends[1][-1])


def test_the_same_call_gives_the_same_front() -> None:
    front = Front(("energy", "mean_quality"), 4)
    one, other = (traced(sensible(front.axes), front, QUICK) for _ in range(2))
    assert [costs_in(p, front.axes) for p in points_of(one)] == [
        costs_in(p, front.axes) for p in points_of(other)
    ]


def test_two_points_are_the_ends() -> None:
    steps = traced(tiny_priced_problem(8), Front(("energy", "mean_quality"), 2))
    ends, points = steps[0], points_of(steps)
    assert isinstance(ends, Ends)
    assert points == [ends.least_minimised, ends.least_limited]


def test_what_the_clock_cuts_is_reported_and_the_ends_are_there() -> None:
    axes: tuple[AxisName, AxisName] = ("energy", "mean_quality")
    limit_s = 3.0
    walk = trace(sensible(axes), Front(axes, 9), SolverOptions(time_limit_s=limit_s))
    steps = [next(walk)]
    # Whatever the machine: the ends have a part of the time, and nothing is left after them.
    time.sleep(limit_s)
    steps += walk
    summary = steps[-1]
    assert isinstance(steps[0], Ends)
    assert isinstance(summary, Summary)
    assert summary.cut_by_clock
    assert len(summary.unsolved) == 7
    assert all(0.5 < quality < 0.7 for quality in summary.unsolved)
    assert summary.points == 2


def test_an_infeasible_front_is_refused_before_anything_is_reported() -> None:
    walk = trace(sensible(("energy", "makespan"), deadline_s=1.0), Front(("energy", "makespan"), 4))
    with pytest.raises(InfeasibleError) as caught:
        next(walk)
    assert caught.value.conflict == ("deadline_seconds",)


def test_a_front_over_quality_has_no_use_for_an_llm_without_a_score() -> None:
    problem = tiny_priced_problem(8)
    unknown = tuple(replace(p, quality=None) for p in problem.placements)
    with pytest.raises(UnplaceableError):
        next(trace(replace(problem, placements=unknown), Front(("energy", "mean_quality"), 4)))
