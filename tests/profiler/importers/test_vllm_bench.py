"""Results of `vllm bench serve` with a log of power."""

from __future__ import annotations

import datetime
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costmodel.zones import UNIVERSAL, read_zone
from profiler.errors import ObservationError, UnusableInputError
from profiler.importers.results import overlapping
from profiler.importers.vllm_bench import import_vllm_bench
from profiler.observations import Observations

ENDED = datetime.datetime(2026, 1, 31, 12, 0, 0)
DEVICE = {"device": "2xh100-sxm5-80gb"}


def result(**changes: Any) -> dict[str, Any]:
    """Eight requests of 100 tokens in, 11 out, four at a time, in 10 s."""
    return {
        "date": ENDED.strftime("%Y%m%d-%H%M%S"),
        "backend": "vllm",
        "model_id": "meta-llama/Llama-3.1-8B-Instruct",
        "num_prompts": 8,
        "duration": 10.0,
        "completed": 8,
        "total_input_tokens": 800,
        "total_output_tokens": 88,
        "mean_ttft_ms": 1000.0,
        "mean_tpot_ms": 400.0,
        "input_lens": [100] * 8,
        "output_lens": [11] * 8,
        "ttfts": [1.0] * 8,
        "itls": [[0.4] * 10] * 8,
    } | changes


def write_log(
    path: Path, begin: int = -20, end: int = 5, every: float = 0.1, watts: float = 300.0
) -> Path:
    lines = ["timestamp, index, power.draw [W]"]
    for count in range(round((end - begin) / every)):
        at = (ENDED + datetime.timedelta(seconds=begin + every * count)).strftime(
            "%Y/%m/%d %H:%M:%S.%f"
        )[:-3]
        lines += [f"{at}, {gpu}, {watts + 100 * gpu:.2f} W" for gpu in (0, 1)]
    path.write_text("\n".join(lines) + "\n")
    return path


def read(
    folder: Path, *runs: dict[str, Any], fixed: dict[str, str] = DEVICE, **log: Any
) -> tuple[Observations, list[str]]:
    path = folder / "result.json"
    path.write_text("\n".join(json.dumps(run) for run in runs))
    power = write_log(folder / "power.csv", **log)
    return import_vllm_bench(path, power, None, fixed, zone=UNIVERSAL)


def imported(folder: Path, run: dict[str, Any], **log: Any) -> Observations:
    return read(folder, run, **log)[0]


def test_joules_are_those_of_the_run_on_all_gpus(tmp_path: Path) -> None:
    trials = imported(tmp_path, result())
    assert trials.llm.tolist() == ["llama-3.1-8b-instruct"]
    assert trials.energy_gpu_j.tolist() == pytest.approx([(300 + 400) * 10 / 8])
    assert trials.num_gpus.tolist() == [2]


def test_concurrency_and_device_seconds_follow_from_the_latencies(tmp_path: Path) -> None:
    trials = imported(tmp_path, result())
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
    assert imported(tmp_path, run).runtime_s.tolist() == pytest.approx([5.0])


def test_mixed_lengths_are_marked_with_their_means(tmp_path: Path) -> None:
    trials = imported(tmp_path, result(input_lens=[50] * 4 + [150] * 4))
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
def test_what_cannot_be_read_is_told(
    tmp_path: Path, changes: dict[str, Any], log: dict[str, Any], said: str
) -> None:
    with pytest.raises(ObservationError, match=said):
        imported(tmp_path, result(**changes), **log)


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


KARACHI = datetime.timezone(datetime.timedelta(hours=5))


@pytest.mark.parametrize(
    ("form", "zone"),
    [
        (lambda at: at.isoformat(), None),
        (lambda at: at.astimezone(datetime.UTC).isoformat(), None),
        (lambda at: at.strftime("%Y-%m-%d %H:%M:%S,%f %z"), None),
        (lambda at: at.strftime("%Y/%m/%d %H:%M:%S.%f"), "Asia/Karachi"),
        (lambda at: f"{at.timestamp():.3f}", None),
        (lambda at: str(round(at.timestamp() * 1e3)), None),
        (lambda at: str(round(at.timestamp() * 1e6)), None),
        (lambda at: str(round(at.timestamp() * 10) * 10**8), None),
    ],
)
@pytest.mark.parametrize("machine", ["Asia/Karachi", "America/New_York"])
def test_joules_do_not_depend_on_how_a_moment_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    form: Callable[[datetime.datetime], str],
    zone: str | None,
) -> None:
    """600 W during the ten seconds of the run and 60 W around them, in Karachi."""
    begin = datetime.datetime(2026, 3, 1, 17, 0, 10, tzinfo=KARACHI)
    log = tmp_path / "power.csv"
    rows = ["time,watts"]
    for tenth in range(-200, 400):
        at = begin + datetime.timedelta(seconds=tenth / 10)
        rows.append(f'"{form(at)}",{600 if 0 <= tenth <= 100 else 60}')
    log.write_text("\n".join(rows))
    run = result(date="20260301-120020")
    path = tmp_path / "result.json"
    path.write_text(json.dumps(run))
    monkeypatch.setenv("TZ", machine)
    time.tzset()
    try:
        trials, notes = import_vllm_bench(
            path, log, "2026-03-01T12:00:10Z", {"device": "1xh100-sxm5-80gb"}, read_zone(zone)
        )
    finally:
        monkeypatch.undo()
        time.tzset()
    assert trials.energy_gpu_j.tolist() == pytest.approx([600 * 10 / 8], rel=0.05)
    assert trials.extra["started_at"].tolist() == ["2026-03-01T12:00:10.000+00:00"]
    assert len(notes) == (zone is not None)


def test_a_wrong_zone_is_told_by_its_hours(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result()))
    log = write_log(tmp_path / "power.csv")
    began = (ENDED - datetime.timedelta(seconds=10)).isoformat()
    for offset, said in (("+05:30", "5.5 h earlier"), ("-08:00", "8 h later"), ("+00:07", "run?")):
        with pytest.raises(ObservationError, match=said):
            import_vllm_bench(path, log, began + offset, DEVICE, read_zone("UTC"))


@pytest.mark.parametrize("text", ["time,watts\nnever,1\n", "time,watts\n0,a\n", "a,b\n1,2\n"])
def test_a_log_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    path, log = tmp_path / "result.json", tmp_path / "power.csv"
    path.write_text(json.dumps(result()))
    log.write_text(text)
    with pytest.raises(ObservationError, match="power"):
        import_vllm_bench(path, log, None, DEVICE)


FAILED_TWO = {
    "input_lens": [100] * 10,
    "output_lens": [11] * 8 + [0, 0],
    "ttfts": [1.0] * 8 + [0.0, 0.3],
    "itls": [[0.4] * 10] * 8 + [[], [0.1]],
}


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
    whole, _ = read(tmp_path, result())
    trials, notes = read(tmp_path, result(**changes))
    for name in ("runtime_s", "concurrency", "energy_gpu_j", "input_tokens", "output_tokens"):
        assert getattr(trials, name) == pytest.approx(getattr(whole, name)), name
    assert trials.flags.tolist() == ["failed_requests"]
    assert trials.extra["failed"].tolist() == ["2"]
    assert trials.extra["requests"].tolist() == ["8"]
    assert any("2 of 10 requests failed" in note for note in notes)


@pytest.mark.parametrize("completed", [0, 10, None, "8", 7.5])
def test_completed_is_believed_only_where_the_lists_agree(tmp_path: Path, completed: Any) -> None:
    trials, notes = read(tmp_path, result(completed=completed))
    assert trials.energy_gpu_j.tolist() == pytest.approx([(300 + 400) * 10 / 8])
    assert any("completed says" in note for note in notes) == (completed is not None)


@pytest.mark.parametrize("broken", [None, float("nan"), "late", -1.0])
def test_a_latency_that_is_not_recorded_is_told(tmp_path: Path, broken: Any) -> None:
    trials, notes = read(tmp_path, result(ttfts=[broken] * 2 + [1.0] * 6))
    assert trials.runtime_s.tolist() == pytest.approx([5.0])
    assert trials.concurrency.tolist() == pytest.approx([4.0])
    assert any("latencies of 2 of 8" in note for note in notes)


def test_latencies_that_nobody_recorded_are_read_by_their_means(tmp_path: Path) -> None:
    trials, _ = read(tmp_path, result(ttfts=[None] * 8, mean_e2el_ms=5000.0))
    assert trials.runtime_s.tolist() == pytest.approx([5.0])


def test_a_rate_without_a_limit_is_no_concurrency(tmp_path: Path) -> None:
    trials, notes = read(tmp_path, result(request_rate="inf", max_concurrency=None))
    assert trials.concurrency.tolist() == pytest.approx([4.0])
    assert all("without a zone" in note for note in notes)


def test_requests_with_gaps_between_them_are_told(tmp_path: Path) -> None:
    trials, notes = read(tmp_path, result(ttfts=[0.1] * 8, itls=[[0.01] * 10] * 8))
    assert trials.concurrency.tolist() == [1.0]
    assert any("waited" in note for note in notes)


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
        read(tmp_path, result(), result(duration=None))
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(result()) + "\n" + json.dumps(result())[:100])
    with pytest.raises(ObservationError, match="row 2: Expected a JSON result"):
        import_vllm_bench(path, write_log(tmp_path / "power.csv"), None, DEVICE)


def test_one_beginning_is_not_that_of_several_runs(tmp_path: Path) -> None:
    path, log = tmp_path / "result.json", write_log(tmp_path / "power.csv")
    path.write_text(json.dumps(result()) + "\n" + json.dumps(result()))
    with pytest.raises(UnusableInputError, match="got 2"):
        import_vllm_bench(path, log, "2026-01-31T11:59:50", DEVICE, zone=UNIVERSAL)


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


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELDS, JSON, max_size=4))
def test_a_damaged_result_is_read_or_refused_and_never_crashes(changes: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            trials, _ = read(Path(folder), result(**changes))
        except ObservationError:
            return
    assert np.isfinite(trials.energy_gpu_j).all()
    assert (trials.concurrency >= 1).all()


def without_lists(**changes: Any) -> dict[str, Any]:
    """Return the totals and means alone, of twice as many requests."""
    lists = ("ttfts", "itls", "input_lens", "output_lens")
    run = {name: value for name, value in result().items() if name not in lists}
    twice = {name: 16 * size for name, size in (("total_input_tokens", 100), ("completed", 1))}
    return run | twice | {"total_output_tokens": 176, "duration": 20.0, "num_prompts": 16} | changes


@pytest.mark.parametrize("latency", [{}, {"mean_e2el_ms": 5000.0}])
def test_totals_alone_give_the_means_of_uniform_lengths(
    tmp_path: Path, latency: dict[str, Any]
) -> None:
    trials, notes = read(tmp_path, without_lists(**latency), begin=-30)
    assert trials.runtime_s.tolist() == pytest.approx([5.0])
    assert trials.concurrency.tolist() == pytest.approx([4.0])
    assert trials.energy_gpu_j.tolist() == pytest.approx([(300 + 400) * 20 / 16])
    assert (trials.input_tokens.tolist(), trials.output_tokens.tolist()) == ([100.0], [11.0])
    assert trials.flags.tolist() == [""]
    assert float(trials.extra["input_tokens_squared"][0]) == 100**2
    assert any("taken as those of all requests" in note for note in notes)


def test_totals_of_an_unknown_mix_are_marked_and_told(tmp_path: Path) -> None:
    run = without_lists(total_input_tokens=1607, failed=3)
    trials, notes = read(tmp_path, run, begin=-30)
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
def test_totals_that_make_no_means_are_told(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ObservationError, match=said):
        read(tmp_path, without_lists(**changes), begin=-30)


def test_log_and_results_may_be_of_different_zones(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result(date="20260131-170000")))
    log = write_log(tmp_path / "power.csv")
    karachi = read_zone("Asia/Karachi")
    trials, _ = import_vllm_bench(path, log, None, DEVICE, karachi, UNIVERSAL)
    assert trials.energy_gpu_j.tolist() == pytest.approx([(300 + 400) * 10 / 8])
    with pytest.raises(ObservationError, match="--log-zone"):
        import_vllm_bench(path, log, None, DEVICE, UNIVERSAL)


def test_another_tool_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ObservationError, match="with its duration, got elapsed_time"):
        read(tmp_path, {"elapsed_time": 10.0, "num_requests": 8})


def test_what_is_the_same_of_several_results_is_told_once(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("hour_later", [False, True])
def test_a_run_in_an_hour_that_the_clock_showed_twice_is_where_its_log_is(
    tmp_path: Path, hour_later: bool
) -> None:
    """Berlin's clock showed 02:30 on the 25th of October at 00:30 and at 01:30 UTC."""
    berlin = read_zone("Europe/Berlin")
    ended = datetime.datetime(2026, 10, 25, 0 + hour_later, 30, 10, tzinfo=datetime.UTC)
    path, log = tmp_path / "result.json", tmp_path / "power.csv"
    path.write_text(json.dumps(result(date="20261025-023010")))
    moments = [ended + datetime.timedelta(seconds=count / 10 - 15) for count in range(200)]
    log.write_text("\n".join(["time,watts", *(f"{at.isoformat()},300" for at in moments)]))
    trials, notes = import_vllm_bench(path, log, None, {"device": "1xh100"}, berlin)
    assert trials.energy_gpu_j.tolist() == pytest.approx([300 * 10 / 8])
    assert trials.extra["started_at"][0].startswith(f"2026-10-25T0{int(hour_later)}:30:00")
    assert any("and the hour after it alike" in note for note in notes)


def test_one_name_for_several_llms_is_refused(tmp_path: Path) -> None:
    fixed = DEVICE | {"llm": "mine"}
    with pytest.raises(
        ObservationError, match=r"one LLM with --set llm=mine, got those of a/b, c/d"
    ):
        read(tmp_path, result(model_id="a/b"), result(model_id="c/d"), fixed=fixed)
    trials, _ = read(tmp_path, result(model_id="a/b"), fixed=fixed)
    assert trials.llm.tolist() == ["mine"]


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (2, "overlap in time: what"),
        (3, "overlap in time, and so does 1 more pair: what"),
        (4, "overlap in time, and so do 2 more pairs: what"),
    ],
)
def test_runs_that_overlap_are_counted(count: int, told: str) -> None:
    (said,) = overlapping([(f"{place}.json", 0.0, 20.0) for place in range(count)], 1.0)
    assert told in said


@pytest.mark.parametrize(("later_s", "told"), [(0, True), (8, True), (10, False), (9.5, False)])
def test_runs_at_the_same_time_are_told(tmp_path: Path, later_s: float, told: bool) -> None:
    """A date in whole seconds may be off by one."""
    second = ENDED + datetime.timedelta(seconds=later_s)
    runs = [result(), result(date=second.strftime("%Y%m%d-%H%M%S"))]
    _, notes = read(tmp_path, *runs, end=20)
    assert (
        any("result.json and result.json overlap in time: what" in note for note in notes) == told
    )


@pytest.mark.parametrize("name", [None, "", "  ", 5, True])
def test_a_result_that_names_no_llm_needs_one(tmp_path: Path, name: Any) -> None:
    with pytest.raises(ObservationError, match="Expected model_id or --set llm=NAME"):
        imported(tmp_path, result(model_id=name))
