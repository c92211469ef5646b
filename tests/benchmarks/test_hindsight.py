"""The replay that decisions are judged by: what each rule charges, on hours to add up by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleets import paper_fleet
from benchmarks.hindsight.__main__ import deployments, study
from benchmarks.hindsight.replay import Hour, Replay
from service.fleet.placements import Candidates

LOAD_S, LOAD_J, WATTS = 10.0, 500.0, 50.0


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
    rng = np.random.default_rng(3)
    n = 600
    arrivals = np.sort(rng.uniform(0.0, 600.0, n))
    short = Hour(
        arrivals,
        rng.integers(50, 800, n),
        rng.integers(20, 200, n),
        300.0,
        np.ones(n),
    )
    found = study(short, deployments(paper_fleet()), 0.54)
    ours = found.outcomes["decisions"]
    assert ours.mean_quality == pytest.approx(0.54, abs=0.005)
    assert ours.missed < 0.02
    assert ours.requests_j < found.outcomes["round robin"].requests_j
    assert (ours.placement >= 0).all()
