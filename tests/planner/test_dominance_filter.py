"""Which candidates of a front are sent, and when."""

import itertools
import math

import pytest

from planner.frontier.axes import AXES
from planner.frontier.dominance_filter import DominanceFilter
from planner.frontier.points import Candidate
from planner.frontier.sweep import next_level
from planner.result import EnergyBreakdown


def candidate(limited: float, minimised: float, gap: float = 0.0) -> Candidate:
    energy = EnergyBreakdown(minimised, 0.0, 0.0, 0.0, 0.0, None, None)
    bound = minimised * (1 - gap)
    return Candidate(
        energy,
        limited,
        None,
        None,
        None,
        (),
        AXES["energy"],
        limited,
        minimised,
        bound,
        gap,
        cut_by_clock=False,
    )


def sent(filtered: DominanceFilter, *pairs: tuple[float, float]) -> list[tuple[float, float]]:
    points = [point for pair in pairs for point in filtered.offer(candidate(*pair))]
    points += filtered.close()
    assert [point.index for point in points] == list(range(len(points)))
    return [(p.candidate.limited_cost, p.candidate.minimised_cost) for p in points]


def test_a_candidate_is_sent_when_its_successor_is_known() -> None:
    filtered = DominanceFilter(loosening=True)
    assert filtered.offer(candidate(1.0, 9.0)) == []
    assert [p.candidate.limited_cost for p in filtered.offer(candidate(2.0, 5.0))] == [1.0]
    assert [p.candidate.limited_cost for p in filtered.close()] == [2.0]


def test_a_candidate_that_its_successor_beats_is_never_sent() -> None:
    filtered = DominanceFilter(loosening=True)
    assert sent(filtered, (1.0, 9.0), (2.0, 5.0), (1.5, 4.0), (3.0, 3.0)) == [
        (1.0, 9.0),
        (1.5, 4.0),
        (3.0, 3.0),
    ]
    assert filtered.dominated == 1


def test_weakly_dominated_candidates_are_dropped_in_either_order() -> None:
    tightening = DominanceFilter(loosening=False)
    assert sent(tightening, (9.0, 1.0), (5.0, 1.0), (4.0, 2.0), (4.0, 2.5)) == [
        (5.0, 1.0),
        (4.0, 2.0),
    ]
    assert tightening.dominated == 2


def test_of_equal_candidates_the_better_proof_is_kept() -> None:
    filtered = DominanceFilter(loosening=True)
    filtered.offer(candidate(1.0, 9.0, gap=0.5))
    filtered.offer(candidate(1.0, 9.0, gap=0.1))
    assert [point.candidate.gap for point in filtered.close()] == [0.1]


def test_a_plan_that_beats_a_sent_point_is_reported_at_the_end_and_not_sent() -> None:
    filtered = DominanceFilter(loosening=True)
    pairs = [(1.0, 9.0), (2.0, 8.0), (3.0, 7.0), (0.9, 6.0), (4.0, 5.0)]
    assert sent(filtered, *pairs) == [(1.0, 9.0), (2.0, 8.0), (3.0, 7.0), (4.0, 5.0)]
    assert [(late.candidate.minimised_cost, late.dominates) for late in filtered.late] == [
        (6.0, (0, 1))
    ]


def test_a_plan_of_the_other_end_of_the_order_is_late_though_it_beats_nothing() -> None:
    filtered = DominanceFilter(loosening=True)
    assert sent(filtered, (2.0, 8.0), (3.0, 7.0), (1.0, 8.5), (4.0, 1.0)) == [
        (2.0, 8.0),
        (3.0, 7.0),
        (4.0, 1.0),
    ]
    assert [late.dominates for late in filtered.late] == [()]


@pytest.mark.parametrize("by_ratio", [True, False])
def test_levels_divide_the_way_evenly_and_reach_no_end(by_ratio: bool) -> None:
    level, found = 100.0, []
    for left in range(5, 0, -1):
        level = next_level(level, 10.0, left, by_ratio=by_ratio)
        found.append(level)
    steps = [math.log(x) if by_ratio else x for x in (100.0, *found, 10.0)]
    gaps = [a - b for a, b in itertools.pairwise(steps)]
    assert gaps == pytest.approx([gaps[0]] * 6)
