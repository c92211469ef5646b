"""Results of `vllm bench serve` with a log of power."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from costmodel.zones import read_zone
from profiler.errors import ObservationError, UnusableInputError
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


def write_log(path: Path, seconds: range = range(-20, 5), watts: float = 300.0) -> Path:
    lines = ["timestamp, index, power.draw [W]"]
    for second in seconds:
        at = (ENDED + datetime.timedelta(seconds=second)).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3]
        lines += [f"{at}, {gpu}, {watts + 100 * gpu:.2f} W" for gpu in (0, 1)]
    path.write_text("\n".join(lines) + "\n")
    return path


def imported(folder: Path, run: dict[str, Any], **log: Any) -> Observations:
    path = folder / "result.json"
    path.write_text(json.dumps(run))
    return import_vllm_bench(path, write_log(folder / "power.csv", **log), None, DEVICE)[0]


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
        ({"completed": 0}, {}, "positive completed"),
        ({"model_id": "a/b c"}, {}, "model_id"),
        ({"input_lens": []}, {}, "--save-detailed"),
        ({"date": "yesterday"}, {}, "Expected a moment"),
        ({}, {"seconds": range(-5, 5)}, "another run"),
        ({}, {"seconds": range(-30, 30, 20)}, "at least every"),
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
        (lambda at: str(round(at.timestamp()) * 10**9), None),
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
