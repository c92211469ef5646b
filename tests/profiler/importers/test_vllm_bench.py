"""Results of `vllm bench serve` with a log of power."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.zones import UNIVERSAL
from profiler.errors import ObservationError, UnusableInputError
from profiler.importers.vllm_bench import import_vllm_bench
from tests.profiler.importers.vllm_results import (
    DEVICE,
    FAILED_TWO,
    read_run,
    read_runs,
    result,
    without_lists,
    write_log,
)


def test_joules_are_those_of_the_run_on_all_gpus(tmp_path: Path) -> None:
    trials = read_run(tmp_path, result())
    assert trials.llm.tolist() == ["llama-3.1-8b-instruct"]
    assert trials.energy_gpu_j.tolist() == pytest.approx([(300 + 400) * 10 / 8])
    assert trials.num_gpus.tolist() == [2]


def test_concurrency_and_device_seconds_follow_from_the_latencies(tmp_path: Path) -> None:
    trials = read_run(tmp_path, result())
    assert trials.runtime_s.tolist() == pytest.approx([5.0])
    assert trials.concurrency.tolist() == pytest.approx([4.0])
    assert trials.device_seconds.tolist() == pytest.approx([10 / 8])
    assert (trials.input_tokens.tolist(), trials.output_tokens.tolist()) == ([100.0], [11.0])


@pytest.mark.parametrize(
    "changes",
    [{}, {"mean_e2el_ms": 5000.0}],
)
def test_a_result_without_details_is_read_by_its_means(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    run = {k: v for k, v in result(**changes).items() if k not in ("ttfts", "itls")}
    assert read_run(tmp_path, run).runtime_s.tolist() == pytest.approx([5.0])


def test_mixed_lengths_are_marked_with_their_means(tmp_path: Path) -> None:
    trials = read_run(tmp_path, result(input_lens=[50] * 4 + [150] * 4))
    assert trials.flagged("mixed").all()
    assert float(trials.extra["input_tokens_squared"][0]) == (50**2 + 150**2) / 2


@pytest.mark.parametrize(
    ("changes", "log", "said"),
    [
        ({"duration": 0}, {}, "positive duration"),
        ({"duration": float("nan")}, {}, "positive duration"),
        ({"output_lens": [0] * 8}, {}, "8 of 8 requests failed"),
        ({"output_lens": [11] * 7}, {}, "output_lens of the same 8 requests"),
        ({"errors": ["boom"]}, {}, "errors of the same 8 requests"),
        ({"ttfts": [1.0] * 5}, {}, "ttfts and itls of the same 8 requests"),
        ({"input_lens": [None] * 8}, {}, "input_lens of 1 or more"),
        ({"max_concurrency": 2}, {}, "at most max_concurrency 2"),
        ({"duration": 1e-12}, {}, "latencies within the duration"),
        ({"duration": 6e10}, {}, "duration in seconds"),
        ({"model_id": "a/b c"}, {}, "model_id"),
        ({"input_lens": []}, {}, "--save-detailed"),
        ({"date": None}, {}, "Expected a date, or --started-at"),
        ({"date": "yesterday"}, {}, "Expected a moment"),
        ({}, {"begin": -5}, "another run"),
        ({}, {"begin": -30, "end": 30, "every": 20.0}, "at least every"),
    ],
)
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, changes: dict[str, Any], log: dict[str, Any], said: str
) -> None:
    with pytest.raises(ObservationError, match=said):
        read_run(tmp_path, result(**changes), **log)


def test_the_device_and_the_log_are_needed(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result()))
    log = write_log(tmp_path / "power.csv")
    with pytest.raises(ObservationError, match="--set device"):
        import_vllm_bench(path, log, None, {})
    with pytest.raises(UnusableInputError, match="--power-log"):
        import_vllm_bench(path, None, None, DEVICE)


def test_a_log_of_more_gpus_than_the_device_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result()))
    log = write_log(tmp_path / "power.csv")
    with pytest.raises(ObservationError, match="nvidia-smi -i"):
        import_vllm_bench(path, log, None, {"device": "1xh100-sxm5-80gb"})


def test_a_folder_of_results_is_a_row_each(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    for number in (8, 16):
        run = result(completed=number, total_input_tokens=100 * number)
        (folder / f"{number}.json").write_text(json.dumps(run))
    trials, _ = import_vllm_bench(folder, write_log(tmp_path / "power.csv"), None, DEVICE)
    assert len(trials) == 2


@pytest.mark.parametrize("text", ["time,watts\nnever,1\n", "time,watts\n0,a\n", "a,b\n1,2\n"])
def test_a_log_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path, log = tmp_path / "result.json", tmp_path / "power.csv"
    path.write_text(json.dumps(result()))
    log.write_text(text)
    with pytest.raises(ObservationError, match="power"):
        import_vllm_bench(path, log, None, DEVICE)


@pytest.mark.parametrize("between", ["", "\n", "\n\n", ",\n"])
def test_runs_that_were_appended_to_one_file_are_a_row_each(tmp_path: Path, between: str) -> None:
    path = tmp_path / "appended.json"
    runs = [result(), result(**FAILED_TWO), result(max_concurrency=4)]
    path.write_text(between.join(json.dumps(run) for run in runs))
    log = write_log(tmp_path / "power.csv")
    trials, notes = import_vllm_bench(path, log, None, DEVICE, zone=UNIVERSAL)
    assert trials.extra["failed"].tolist() == ["0", "2", "0"]
    assert sum("requests failed" in note for note in notes) == 1


def test_an_appended_run_that_cannot_be_read_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(ObservationError, match=r"row 2: Expected a positive duration"):
        read_runs(tmp_path, result(), result(duration=None))
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(result()) + "\n" + json.dumps(result())[:100])
    with pytest.raises(ObservationError, match="row 2: Expected a JSON result"):
        import_vllm_bench(path, write_log(tmp_path / "power.csv"), None, DEVICE)


def test_results_of_sglang_need_the_name_of_the_llm_and_the_beginning(tmp_path: Path) -> None:
    run = result(backend="sglang-oai", mean_e2e_latency_ms=5000.0)
    run = {name: value for name, value in run.items() if name not in ("model_id", "date")}
    path, log = tmp_path / "result.jsonl", write_log(tmp_path / "power.csv")
    path.write_text(json.dumps(run))
    began = "2026-01-31T11:59:50"
    with pytest.raises(ObservationError, match="--set llm"):
        import_vllm_bench(path, log, began, DEVICE, zone=UNIVERSAL)
    fixed = DEVICE | {"llm": "qwen3-8b"}
    trials, _ = import_vllm_bench(path, log, began, fixed, zone=UNIVERSAL)
    assert trials.extra["engine"].tolist() == ["sglang"]
    assert trials.energy_gpu_j.tolist() == pytest.approx([(300 + 400) * 10 / 8])


CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not beside this checkout")
@pytest.mark.parametrize("name", ["02-vllm-failed.json", "02-vllm-ok.json"])
def test_the_shared_results_give_their_stated_values(name: str) -> None:
    log = CASES / "03-plain.csv"
    fixed = {"device": "1xh100"}
    trials, notes = import_vllm_bench(CASES / name, log, None, fixed, zone=UNIVERSAL)
    assert trials.runtime_s.tolist() == pytest.approx([2.18])
    assert trials.concurrency.tolist() == pytest.approx([1.308])
    assert trials.energy_gpu_j.tolist() == pytest.approx([500.0])
    assert trials.extra["requests"].tolist() == ["6"]
    assert any("2 of 8 requests failed" in note for note in notes) == ("failed" in name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)

FIELDS = st.sampled_from(sorted([*result(), "errors", "success", "max_concurrency", "results"]))


@given(st.dictionaries(FIELDS, JSON, max_size=4))
def test_a_damaged_result_is_read_or_refused_and_never_crashes(changes: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            trials, _ = read_runs(Path(folder), result(**changes))
        except ObservationError:
            return
    assert np.isfinite(trials.energy_gpu_j).all()
    assert (trials.concurrency >= 1).all()


def test_the_result_of_another_tool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ObservationError, match="with its duration, got elapsed_time"):
        read_runs(tmp_path, {"elapsed_time": 10.0, "num_requests": 8})


def test_notes_alike_of_several_results_are_joined(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    for number in range(20):
        run = without_lists(total_input_tokens=1607)
        (folder / f"{number:02}.json").write_text(json.dumps(run))
    log = write_log(tmp_path / "power.csv", -30)
    _, notes = import_vllm_bench(folder, log, None, DEVICE, UNIVERSAL)
    assert sum("only a fit to one mix" in note for note in notes) == 1
    assert any(note.startswith("00.json and 19 more: ") for note in notes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_result_that_a_shell_wrote_again_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(json.dumps(result()).encode(encoding))
    log = write_log(tmp_path / "power.csv")
    trials, _ = import_vllm_bench(path, log, None, DEVICE, UNIVERSAL)
    assert trials.energy_gpu_j.tolist() == pytest.approx([(300 + 400) * 10 / 8])


def test_one_name_for_several_llms_is_refused(tmp_path: Path) -> None:
    fixed = DEVICE | {"llm": "mine"}
    with pytest.raises(
        ObservationError, match=r"one LLM with --set llm=mine, got those of a/b, c/d"
    ):
        read_runs(tmp_path, result(model_id="a/b"), result(model_id="c/d"), fixed=fixed)
    trials, _ = read_runs(tmp_path, result(model_id="a/b"), fixed=fixed)
    assert trials.llm.tolist() == ["mine"]


@pytest.mark.parametrize("name", [None, "", "  ", 5, True])
def test_a_result_that_names_no_llm_needs_one(tmp_path: Path, name: Any) -> None:
    with pytest.raises(ObservationError, match="Expected model_id or --set llm=NAME"):
        read_run(tmp_path, result(model_id=name))
