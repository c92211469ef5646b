"""The replay that decisions are judged by: what each rule charges, on hours to add up by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fleets import default_fleet, paper_fleet
from benchmarks.hindsight.__main__ import copied, study
from benchmarks.hindsight.fleets import (
    COUNTS,
    LEVELS,
    SHARED_COUNTS,
    deployments,
    shared_deployments,
)
from benchmarks.hindsight.page import page
from benchmarks.hindsight.policies import least_joules
from benchmarks.hindsight.replay import Hour, Replay
from benchmarks.hindsight.setting import COPIES, FLOOR, HORIZON_S, NOISE, PERIOD_S, SHARED_FLOOR
from benchmarks.hindsight.shared_replay import SharedReplay
from benchmarks.workloads import without_limits
from costmodel.workload import Workload
from planner.inputs import Limits
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import SolverOptions
from service.calls.fleet.placements import Candidates

ROOT = Path(__file__).resolve().parents[2]
LOAD_S, LOAD_J, WATTS = 10.0, 500.0, 50.0
Reported = tuple[int, int, float, float]


def hour(arrivals: list[float], deadline_s: float = 30.0, tokens: int = 100) -> Hour:
    n = len(arrivals)
    counts = np.full(n, tokens, dtype=np.int64)
    return Hour(np.array(arrivals), counts, counts, deadline_s, np.ones(n))


def fleet(count: int) -> Candidates:
    """One pool of the first LLM, with round figures."""
    found = deployments(paper_fleet())
    cost_model = replace(
        found.placements[0].cost_model, load_s=LOAD_S, load_energy_j=LOAD_J, idle_watts=WATTS
    )
    placement = replace(found.placements[0], pool=0, cost_model=cost_model)
    pool = replace(found.pools[0], count=count, idle_watts=WATTS)
    return Candidates((pool,), (placement,))


def test_one_device_serves_in_turn_and_pays_its_load_once() -> None:
    energy_j, runtime_s = np.full((3, 1), 1000.0), np.full((3, 1), 5.0)
    outcome = Replay(fleet(1), hour([0.0, 1.0, 40.0]), energy_j, runtime_s, 100.0).run(lambda *_: 0)
    # The first ends at 15 (load and run), the second at 20, the third at 45.
    assert outcome.ended_s == 45.0
    assert outcome.requests_j == 3000.0
    assert outcome.loading_j == LOAD_J
    assert outcome.idle_j == pytest.approx(WATTS * (100.0 - LOAD_S - 15.0))
    assert outcome.missed == 0.0
    assert outcome.mean_quality == pytest.approx(0.5097)


def test_who_waits_too_long_has_missed() -> None:
    energy_j, runtime_s = np.full((4, 1), 1.0), np.full((4, 1), 20.0)
    ends: list[int] = []
    replay = Replay(fleet(2), hour([0.0, 0.0, 0.0, 0.0]), energy_j, runtime_s, 10.0)
    outcome = replay.run(lambda *_: 0, lambda index, *_: ends.append(index))
    # Two end at 30, in time to the second; the two that waited end at 50.
    assert outcome.missed == 0.5
    assert outcome.ended_s == 50.0
    assert sorted(ends) == [0, 1, 2, 3]
    assert outcome.loading_j == 2 * LOAD_J
    assert outcome.idle_j == pytest.approx(0.0)


def test_noise_multiplies_joules_and_seconds() -> None:
    one = hour([0.0, 0.0])
    noisy = replace(one, noise=np.array([2.0, 1.0]))
    outcome = Replay(fleet(2), noisy, np.full((2, 1), 10.0), np.full((2, 1), 5.0), 1.0).run(
        lambda *_: 0
    )
    assert outcome.requests_j == 30.0
    assert outcome.ended_s == LOAD_S + 10.0


def test_decisions_of_a_short_hour_keep_the_floor_and_cost_less_than_blind_ones() -> None:
    short = short_hour(600, 600.0, 300.0)
    found = study(short, deployments(paper_fleet()), 0.54)
    ours = found.outcomes["decisions"]
    assert ours.mean_quality == pytest.approx(0.54, abs=0.005)
    assert ours.missed < 0.02
    assert ours.requests_j < found.outcomes["round robin"].requests_j
    assert (ours.placement >= 0).all()


def shared_fleet(count: int, concurrency: int) -> Candidates:
    """One pool of one LLM, whose devices so many requests may share."""
    found = shared_deployments(default_fleet())
    placement = replace(found.placements[0], pool=0, concurrency=concurrency)
    return Candidates((replace(found.pools[0], count=count),), (placement,))


def costs(fleet: Candidates, concurrency: int, tokens: int = 100) -> tuple[float, float]:
    """Return joules and runtime [s] of a request at a concurrency."""
    model = fleet.placements[0].cost_model
    joules = model.energy_j([tokens], [tokens], concurrency)[0]
    seconds = model.device_seconds([tokens], [tokens], concurrency)[0]
    return float(joules), float(seconds) * concurrency


def test_a_request_alone_on_a_device_takes_what_the_cost_model_says_of_one() -> None:
    one = shared_fleet(1, 8)
    reported: list[Reported] = []
    outcome = SharedReplay(one, hour([0.0, 500.0]), 10.0).run(
        lambda *_: 0, lambda *a: reported.append(a)
    )
    joules, seconds = costs(one, 1)
    assert [a[:2] for a in reported] == [(0, 0), (1, 0)]
    assert [a[2:] for a in reported] == [pytest.approx((joules, seconds))] * 2
    assert outcome.energy_j == pytest.approx(2 * joules)
    assert outcome.ended_s == pytest.approx(500.0 + seconds)
    assert outcome.in_flight == pytest.approx(1.0)


def test_two_that_overlap_by_half_are_half_done_at_each_concurrency() -> None:
    one = shared_fleet(1, 8)
    (alone_j, alone_s), (both_j, both_s) = costs(one, 1), costs(one, 2)
    arrivals = [0.0, alone_s / 2]
    reported: list[Reported] = []
    outcome = SharedReplay(one, hour(arrivals), 10.0).run(
        lambda *_: 0, lambda *a: reported.append(a)
    )
    # Both are half done beside the other: the first its second half, the second its first.
    expected = pytest.approx(((alone_j + both_j) / 2, (alone_s + both_s) / 2))
    assert [a[2:] for a in reported] == [expected, expected]
    assert outcome.in_flight == pytest.approx((alone_s + both_s) / (alone_s + both_s / 2))


def test_full_devices_take_what_the_plan_takes_and_others_wait() -> None:
    many, levels = 24, 8
    one = shared_fleet(1, levels)
    everything = hour([0.0] * many, deadline_s=1e4)
    outcome = SharedReplay(one, everything, 10.0).run(lambda *_: 0)
    workload = Workload(everything.input_tokens, everything.output_tokens)
    problem = PlacementProblem.build(
        without_limits(workload), one.pools, one.placements, Limits(deadline_s=1e4)
    )
    found = plan(problem, SolverOptions())
    assert outcome.energy_j == pytest.approx(found.energy.value_j)
    assert outcome.ended_s == pytest.approx(found.makespan_s, rel=1e-6)
    assert outcome.in_flight == pytest.approx(levels)


def test_requests_go_to_the_device_with_the_fewest() -> None:
    joules, seconds = costs(shared_fleet(2, 8), 1)
    outcome = SharedReplay(shared_fleet(2, 8), hour([0.0, 0.0]), 10.0).run(lambda *_: 0)
    assert outcome.energy_j == pytest.approx(2 * joules)
    assert outcome.ended_s == pytest.approx(seconds)


def test_a_pool_of_two_llms_cannot_be_shared() -> None:
    found = shared_deployments(default_fleet())
    both = tuple(replace(one, pool=0) for one in found.placements)
    with pytest.raises(ValueError, match="Expected one LLM"):
        SharedReplay(Candidates(found.pools, both), hour([0.0]), 10.0)


def test_copies_are_the_same_requests_all_around_the_hour() -> None:
    rng = np.random.default_rng(1)
    one = replace(
        hour(sorted(rng.uniform(0.0, HORIZON_S, 50))), input_tokens=rng.integers(1, 99, 50)
    )
    found = copied(one, 3, seed=0)
    assert len(found) == 150
    assert (np.diff(found.arrival_s) >= 0.0).all()
    assert found.arrival_s[0] >= 0.0
    assert found.arrival_s[-1] < HORIZON_S
    assert sorted(found.input_tokens) == sorted(np.tile(one.input_tokens, 3))
    at = {(round(a, 6), t) for a, t in zip(found.arrival_s, found.input_tokens, strict=True)}
    for a, t in zip(one.arrival_s, one.input_tokens, strict=True):
        assert (round((a + HORIZON_S / 3) % HORIZON_S, 6), t) in at


def short_hour(n: int, seconds: float, deadline_s: float) -> Hour:
    rng = np.random.default_rng(3)
    return Hour(
        np.sort(rng.uniform(0.0, seconds, n)),
        rng.integers(50, 800, n),
        rng.integers(20, 200, n),
        deadline_s,
        np.ones(n),
    )


def test_decisions_on_shared_devices_keep_the_floor_and_cost_less_than_blind_ones() -> None:
    found = study(
        short_hour(1500, 150.0, 60.0), shared_deployments(default_fleet()), 0.6, shared=True
    )
    ours = found.outcomes["decisions"]
    assert ours.mean_quality == pytest.approx(0.6, abs=0.01)
    assert ours.missed < 0.02
    assert 1.0 <= ours.in_flight <= max(LEVELS)
    assert ours.energy_j < found.outcomes["round robin"].energy_j
    assert ours.energy_j > found.found.energy.value_j


def test_the_page_says_the_constants_and_how_it_is_made() -> None:
    alone = study(short_hour(200, 200.0, 300.0), deployments(paper_fleet()), 0.54)
    together = study(
        short_hour(300, 30.0, 60.0), shared_deployments(default_fleet()), 0.6, shared=True
    )
    text = page([alone], [together], [0])
    assert "--deadlines 300 --shared-deadlines 60 --seeds 0 --out docs/studies" in text
    assert f"forecasts every {PERIOD_S:g} s" in text
    assert f"{100 * NOISE:.0f} % noise" in text
    assert f"concurrencies {', '.join(map(str, LEVELS))}" in text
    assert f"{COPIES} copies" in text
    assert text.count("### Deadline") == 2
    assert "### Deadline" not in page([], [], [0])


def test_the_checked_in_page_is_what_these_constants_make() -> None:
    shipped = (ROOT / "docs/studies/hindsight.md").read_text("utf-8")
    stated = [
        line
        for line in page([], [], [0]).splitlines()
        if not line.startswith(("Made by", "Measured on"))
    ]
    assert [line for line in stated if line not in shipped] == []
    for counts in (COUNTS, SHARED_COUNTS):
        assert ", ".join(f"{count} of {name}" for name, count in counts.items()) in shipped
    for floor in (FLOOR, SHARED_FLOOR):
        assert re.search(rf"floor (of|is) {floor:g}", shipped)
    assert f"{COPIES} copies" in shipped


def test_least_joules_above_a_floor_takes_no_llm_below_it() -> None:
    fleet = deployments(paper_fleet())
    scores = [one.quality or 0.0 for one in fleet.placements]
    energy_j = np.array([[10.0 * score for score in scores]])
    assert least_joules(energy_j, fleet)(0, 0.0) == scores.index(min(scores))
    above = [score for score in scores if score >= 0.54]
    assert least_joules(energy_j, fleet, 0.54)(0, 0.0) == scores.index(min(above))
