"""When runs of `vllm bench serve` ended, by which clock, and what they overlap with."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from costmodel.zones import UNIVERSAL, read_zone
from profiler.errors import ObservationError, UnusableInputError
from profiler.importers.results import overlapping
from profiler.importers.vllm_bench import import_vllm_bench
from tests.profiler.importers.vllm_results import DEVICE, ENDED, read_runs, result, write_log

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


def test_a_wrong_zone_is_refused_with_its_hours(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result()))
    log = write_log(tmp_path / "power.csv")
    began = (ENDED - datetime.timedelta(seconds=10)).isoformat()
    for offset, said in (("+05:30", "5.5 h earlier"), ("-08:00", "8 h later"), ("+00:07", "run?")):
        with pytest.raises(ObservationError, match=said):
            import_vllm_bench(path, log, began + offset, DEVICE, read_zone("UTC"))


def test_one_beginning_is_not_that_of_several_runs(tmp_path: Path) -> None:
    path, log = tmp_path / "result.json", write_log(tmp_path / "power.csv")
    path.write_text(json.dumps(result()) + "\n" + json.dumps(result()))
    with pytest.raises(UnusableInputError, match="got 2"):
        import_vllm_bench(path, log, "2026-01-31T11:59:50", DEVICE, zone=UNIVERSAL)


def test_log_and_results_may_be_of_different_zones(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result(date="20260131-170000")))
    log = write_log(tmp_path / "power.csv")
    karachi = read_zone("Asia/Karachi")
    trials, _ = import_vllm_bench(path, log, None, DEVICE, karachi, UNIVERSAL)
    assert trials.energy_gpu_j.tolist() == pytest.approx([(300 + 400) * 10 / 8])
    with pytest.raises(ObservationError, match="--log-zone"):
        import_vllm_bench(path, log, None, DEVICE, UNIVERSAL)


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


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (2, "overlap in time: what"),
        (3, "overlap in time, and so does 1 more pair: what"),
        (4, "overlap in time, and so do 2 more pairs: what"),
    ],
)
def test_runs_that_overlap_are_counted(count: int, expected: str) -> None:
    (said,) = overlapping([(f"{place}.json", 0.0, 20.0) for place in range(count)], 1.0)
    assert expected in said


@pytest.mark.parametrize(("later_s", "overlap"), [(0, True), (8, True), (10, False), (9.5, False)])
def test_runs_at_the_same_time_are_warned_of(tmp_path: Path, later_s: float, overlap: bool) -> None:
    """A date in whole seconds may be off by one."""
    second = ENDED + datetime.timedelta(seconds=later_s)
    runs = [result(), result(date=second.strftime("%Y%m%d-%H%M%S"))]
    _, notes = read_runs(tmp_path, *runs, end=20)
    assert (
        any("result.json and result.json overlap in time: what" in note for note in notes)
        == overlap
    )
