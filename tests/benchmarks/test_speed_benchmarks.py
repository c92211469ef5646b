"""The benchmarks run on small batches and say what they must. How long they take is not judged."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks import azure
from benchmarks.fleets import paper_fleet
from benchmarks.planning_speed import (
    MIN_MEAN_QUALITY,
    SpeedCase,
    greedy_placement,
    naive,
    planning_table,
)
from benchmarks.predict_speed import load_table, predict_table
from benchmarks.timing import machine, median_s, peak_memory_mb
from benchmarks.workloads import chat_workload, from_pairs, read_trace


@pytest.fixture(scope="module")
def outcome() -> azure.TraceRun:
    pairs = [(100, 20), (3000, 2000), (800, 150), (4000, 96), (4000, 97)] * 4
    return azure.run(from_pairs(pairs), azure.enlarged(paper_fleet()))


def test_requests_beyond_the_context_are_listed_and_the_rest_is_planned(
    outcome: azure.TraceRun,
) -> None:
    assert sorted(outcome.unplaceable) == sorted([*range(1, 20, 5), *range(4, 20, 5)])
    assert all("longer than the context" in reason for reason in outcome.unplaceable.values())
    assert outcome.problem.n == len(outcome.found.placement) == 12


def test_the_plan_keeps_every_limit_when_it_is_laid_out_anew(outcome: azure.TraceRun) -> None:
    evaluation = azure.check(outcome)
    assert evaluation.violations == ()
    assert evaluation.energy_j == pytest.approx(outcome.found.energy.value_j)
    assert evaluation.makespan_s == pytest.approx(outcome.found.makespan_s)


def test_the_summary_names_what_was_left_out_and_what_was_found(outcome: azure.TraceRun) -> None:
    text = azure.summary([outcome], azure.check(outcome))
    assert "unplaceable: 8 (40.0 %)" in text
    assert "violations on the dispatched schedule: none" in text
    assert "query_blind_split" in azure.baseline_table(outcome.found.baselines)


def test_without_the_traces_the_azure_benchmark_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        azure.main(["--data", str(tmp_path)])
    assert stopped.value.code == 2
    assert "--data" in capsys.readouterr().err


def test_the_traces_hold_28185_requests(shared_data: Path) -> None:
    assert len(azure.azure_workload(shared_data)) == 28_185


def test_a_recorded_request_without_output_counts_one_token(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    rows = "TIMESTAMP,ContextTokens,GeneratedTokens\nt,374,44\nt,396,0\n"
    path.write_bytes(gzip.compress(rows.encode(), mtime=0))
    workload = read_trace(path)
    assert workload.input_tokens.tolist() == [374, 396]
    assert workload.output_tokens.tolist() == [44, 1]


def test_every_method_of_the_planning_benchmark_has_a_row() -> None:
    text = planning_table((SpeedCase(12, 300.0),), runs=1, time_limit_s=1.0)
    assert [line.split("|")[3].strip() for line in text.splitlines()[2:]] == [
        "plan",
        "greedy",
        "naive CP-SAT",
    ]


def test_the_greedy_policy_takes_the_least_joules_above_the_floor() -> None:
    problem = SpeedCase(20, 300.0).problem()
    placement = greedy_placement(problem)
    assert problem.quality[placement].min() >= MIN_MEAN_QUALITY
    able = problem.costs.energy_j[:, problem.quality >= MIN_MEAN_QUALITY]
    chosen = problem.costs.energy_j[np.arange(20), placement]
    assert chosen == pytest.approx(able.min(axis=1))


def test_naive_cp_sat_keeps_the_floor_and_proves_its_own_gap() -> None:
    found = naive(SpeedCase(20, 300.0).problem(), time_limit_s=60.0)
    assert found.keeps_limits
    assert found.gap == pytest.approx(0.0, abs=1e-6)


def test_the_speed_tables_compare_within_one_run() -> None:
    predicting = predict_table(1_000, 8, runs=1).splitlines()
    assert "1,000 requests x 8 placements" in predicting[0]
    assert len(predicting) == 5
    assert "artefacts with their cards" in load_table(runs=1)


def test_times_memory_and_machine_are_reported() -> None:
    assert median_s(lambda: None, 3) >= 0.0
    assert peak_memory_mb() > 1.0
    assert "ortools" in machine()


def test_drawn_requests_repeat_with_their_seed() -> None:
    first, again = chat_workload(50, seed=4), chat_workload(50, seed=4)
    assert first.input_tokens.tolist() == again.input_tokens.tolist()
