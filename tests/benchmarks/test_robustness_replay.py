"""The replay of confident plans is independent of the planner, and runs on a small study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.robustness.__main__ import HEADER, row
from benchmarks.robustness.batches import PAIRS
from benchmarks.robustness.length_bins import PROBABILITIES, LengthBins, halves
from benchmarks.robustness.measured_errors import held_out_pairs
from benchmarks.robustness.replay import Reality, replay
from benchmarks.robustness.study import ReplayedBatch, judge, make_cases
from benchmarks.workloads import from_pairs


@pytest.fixture(scope="module")
def case(shared_data: Path) -> ReplayedBatch:
    return make_cases(shared_data, batches=1, replays=200, seed=3)[0]


def test_bins_learn_the_quantiles_of_their_own_prompts() -> None:
    rng = np.random.default_rng(0)
    prompts = rng.integers(1, 2000, 4000)
    known = from_pairs([(int(t), int(t) // 10 + 5) for t in prompts])
    bins = LengthBins.learn(known)
    for number in range(len(bins.quantiles)):
        inside = known.output_tokens[bins.bin_of(known.input_tokens) == number]
        assert bins.quantiles[number] == pytest.approx(np.quantile(inside, PROBABILITIES))


def test_the_halves_of_the_trace_share_no_request(shared_data: Path) -> None:
    known, held_out = halves(shared_data, 0)
    assert abs(len(known) - len(held_out)) < 0.05 * len(known)
    assert len(known) + len(held_out) > 15_000


def test_errors_are_those_of_points_that_the_fit_did_not_see(shared_data: Path) -> None:
    for pair in held_out_pairs(shared_data, PAIRS[:2], 0).values():
        interval = pair.cost_model.device_seconds_interval
        assert interval is not None
        assert pair.runtime_ratios.size + interval.points <= 90
        assert 0.01 < np.log(pair.runtime_ratios).std() < 0.15


def test_a_replay_without_errors_is_the_schedule(case: ReplayedBatch) -> None:
    found = case.at_rung(0)
    assert found is not None
    problem = case.batch.problem
    exact = problem.requests.workload.output_tokens[None, :]
    ones = np.ones((1, problem.k))
    assert replay(case.batch, found, Reality(exact, 0.5 * ones, ones)).kept.all()
    assert not replay(case.batch, found, Reality(exact, 3.0 * ones, ones)).kept.any()
    joules = replay(case.batch, found, Reality(exact, ones, 2.0 * ones)).energy_j[0]
    at_mean = sum(
        float(
            placement.cost_model.energy_j(
                problem.requests.workload.input_tokens[found.placement == k],
                problem.requests.workload.output_tokens[found.placement == k],
                1.0,
            ).sum()
        )
        for k, placement in enumerate(problem.placements)
    )
    assert joules == pytest.approx(2.0 * at_mean)


def test_padded_plans_keep_their_deadlines_more_often_and_cost_more(case: ReplayedBatch) -> None:
    plain, padded = case.at_rung(0), case.at_rung(30)
    assert plain is not None
    assert padded is not None
    kept = [replay(case.batch, found, case.reality).kept.mean() for found in (plain, padded)]
    assert kept[1] > kept[0]
    assert padded.energy.value_j > plain.energy.value_j


def test_the_study_compares_what_was_kept_with_what_was_said(case: ReplayedBatch) -> None:
    result = judge([case], 0.5)
    assert result.refused == 0
    assert result.replays == 200
    assert abs(result.kept - result.estimated) < 0.2
    assert result.hindsight_j is not None
    assert result.energy_j <= 1.05 * result.hindsight_j
    assert len(row(result)) == len(HEADER)
