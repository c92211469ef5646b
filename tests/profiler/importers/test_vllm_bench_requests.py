"""What the requests of `vllm bench serve` say: failures, latencies, or totals alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from profiler.errors import ObservationError
from tests.profiler.importers.vllm_results import FAILED_TWO, read_runs, result, without_lists


@pytest.mark.parametrize(
    "changes",
    [
        FAILED_TWO,
        FAILED_TWO | {"output_lens": [11] * 8 + [None, float("nan")]},
        FAILED_TWO | {"output_lens": [11] * 10, "errors": [""] * 8 + ["Traceback:\nboom", "x"]},
        FAILED_TWO | {"output_lens": [11] * 10, "success": [True] * 8 + [False, False]},
        FAILED_TWO | {"ttfts": [1.0] * 8, "itls": [[0.4] * 10] * 8},
        FAILED_TWO | {"input_lens": [100] * 8 + [0, 0], "generated_texts": ["a"] * 8 + ["", ""]},
    ],
)
def test_failed_requests_are_left_out_and_counted(tmp_path: Path, changes: dict[str, Any]) -> None:
    whole, _ = read_runs(tmp_path, result())
    trials, notes = read_runs(tmp_path, result(**changes))
    for name in ("runtime_s", "concurrency", "energy_gpu_j", "input_tokens", "output_tokens"):
        assert getattr(trials, name) == pytest.approx(getattr(whole, name)), name
    assert trials.flags.tolist() == ["failed_requests"]
    assert trials.extra["failed"].tolist() == ["2"]
    assert trials.extra["requests"].tolist() == ["8"]
    assert any("2 of 10 requests failed" in note for note in notes)


@pytest.mark.parametrize("completed", [0, 10, None, "8", 7.5])
def test_completed_is_believed_only_where_the_lists_agree(tmp_path: Path, completed: Any) -> None:
    trials, notes = read_runs(tmp_path, result(completed=completed))
    assert trials.energy_gpu_j.tolist() == pytest.approx([(300 + 400) * 10 / 8])
    assert any("completed says" in note for note in notes) == (completed is not None)


@pytest.mark.parametrize("broken", [None, float("nan"), "late", -1.0])
def test_latencies_that_are_not_recorded_are_counted(tmp_path: Path, broken: Any) -> None:
    trials, notes = read_runs(tmp_path, result(ttfts=[broken] * 2 + [1.0] * 6))
    assert trials.runtime_s.tolist() == pytest.approx([5.0])
    assert trials.concurrency.tolist() == pytest.approx([4.0])
    assert any("latencies of 2 of 8" in note for note in notes)


def test_latencies_that_nobody_recorded_are_read_by_their_means(tmp_path: Path) -> None:
    trials, _ = read_runs(tmp_path, result(ttfts=[None] * 8, mean_e2el_ms=5000.0))
    assert trials.runtime_s.tolist() == pytest.approx([5.0])


def test_a_rate_without_a_limit_is_no_concurrency(tmp_path: Path) -> None:
    trials, notes = read_runs(tmp_path, result(request_rate="inf", max_concurrency=None))
    assert trials.concurrency.tolist() == pytest.approx([4.0])
    assert all("without a zone" in note for note in notes)


def test_requests_with_gaps_between_them_are_warned_of(tmp_path: Path) -> None:
    trials, notes = read_runs(tmp_path, result(ttfts=[0.1] * 8, itls=[[0.01] * 10] * 8))
    assert trials.concurrency.tolist() == [1.0]
    assert any("waited" in note for note in notes)


@pytest.mark.parametrize("latency", [{}, {"mean_e2el_ms": 5000.0}])
def test_totals_alone_give_the_means_of_uniform_lengths(
    tmp_path: Path, latency: dict[str, Any]
) -> None:
    trials, notes = read_runs(tmp_path, without_lists(**latency), begin=-30)
    assert trials.runtime_s.tolist() == pytest.approx([5.0])
    assert trials.concurrency.tolist() == pytest.approx([4.0])
    assert trials.energy_gpu_j.tolist() == pytest.approx([(300 + 400) * 20 / 16])
    assert (trials.input_tokens.tolist(), trials.output_tokens.tolist()) == ([100.0], [11.0])
    assert trials.flags.tolist() == [""]
    assert float(trials.extra["input_tokens_squared"][0]) == 100**2
    assert any("taken as those of all requests" in note for note in notes)


def test_totals_of_an_unknown_mix_are_marked_and_warned_of(tmp_path: Path) -> None:
    run = without_lists(total_input_tokens=1607, failed=3)
    trials, notes = read_runs(tmp_path, run, begin=-30)
    assert trials.input_tokens.tolist() == pytest.approx([1607 / 16])
    assert trials.flags.tolist() == ["mixed;failed_requests"]
    assert trials.extra["input_tokens_squared"].tolist() == [""]
    assert trials.extra["failed"].tolist() == ["3"]
    assert any("only a fit to one mix learns from it" in note for note in notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"completed": 7.5}, "whole number completed"),
        ({"completed": 0}, "positive completed"),
        ({"total_output_tokens": 3}, "token or more"),
        ({"total_input_tokens": None}, "positive total_input_tokens"),
        ({"mean_ttft_ms": None}, "positive mean_ttft_ms"),
    ],
)
def test_totals_that_make_no_means_are_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ObservationError, match=said):
        read_runs(tmp_path, without_lists(**changes), begin=-30)
