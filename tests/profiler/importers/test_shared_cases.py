"""Small inputs that once gave wrong numbers or none, each with the value that is right."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from profiler.__main__ import main

MAP = (
    *("--column", "input_tokens=prompt", "--column", "output_tokens=generated"),
    *("--column", "concurrency=in_flight", "--column", "runtime_s=seconds"),
    *("--column", "energy_gpu_j=joules", "--set", "llm=my-llm-7b", "--set", "device=1xl4"),
    *("--set", "num_gpus=1", "--set", "kv_cache=on", "--set", "source=lab"),
)


def joules(shared_cases: Path, out: Path, log: str, *more: str) -> float:
    """Joules of a request of the six that were served, with a log of power."""
    result, power = shared_cases / "02-vllm-ok.json", shared_cases / log
    given = ("--power-log", str(power), "--set", "device=1xh100", "--zone", "UTC")
    assert main(["import", "vllm-bench", str(result), *given, *more, "--out", str(out)]) == 0
    with out.open(newline="") as file:
        (row,) = csv.DictReader(file)
    return float(row["energy_gpu_j"])


@pytest.mark.parametrize(
    ("log", "more", "right"),
    [
        *(("03-plain.csv", (), 500), ("03-limit-first.csv", (), 500), ("03-kw.csv", (), 500)),
        *(("03-milliwatts-unit.csv", (), 500), ("03-gpu-util.csv", (), 500)),
        ("03-epoch-ms.csv", (), 500),
        ("16-zone-shared.csv", ("--started-at", "2026-03-01T12:00:10+00:00"), 1000),
    ],
)
def test_joules_are_right(
    shared_cases: Path, tmp_path: Path, log: str, more: tuple[str, ...], right: float
) -> None:
    assert joules(shared_cases, tmp_path / "obs.csv", log, *more) == pytest.approx(right)


def test_two_gpus_without_an_index_are_refused(
    shared_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError):
        joules(shared_cases, tmp_path / "obs.csv", "03-2gpu-noindex.csv")
    assert "nothing to tell GPUs apart" in capsys.readouterr().err


def test_joules_in_another_unit_are_refused_with_that_unit(
    shared_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = str(shared_cases / "17-mj.csv"), str(tmp_path / "obs.csv")
    assert main(["import", "csv", path, *MAP, "--out", out]) == 2
    said = capsys.readouterr().err
    assert "got 95.9 kW" in said
    assert "Were the joules millijoules (95.9 W)?" in said


def test_zero_joules_are_reported_and_refused_by_the_fit(
    shared_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = str(shared_cases / "04-zero-joules.csv"), str(tmp_path / "obs.csv")
    assert main(["import", "csv", path, *MAP, "--out", out]) == 0
    assert "joules are zero in 12 of 12 trials" in capsys.readouterr().err
    assert main(["fit", out, "--models-dir", str(tmp_path / "models")]) == 2
    assert "zero joules" in capsys.readouterr().err
