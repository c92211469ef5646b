"""The verb `measure`, as it is typed: replays, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from profiler.__main__ import main
from profiler.observation_files import read_observations
from tests.profiler.campaign.recorded import DEVICE, LLM, record

PAIR = (f"--llm={LLM}", f"--device={DEVICE}")


def test_a_recorded_campaign_is_measured_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "r.csv")
    out = tmp_path / "obs.csv"
    replay = ("--meter=replay", f"--replay={tmp_path / 'r.csv'}", f"--out={out}")
    assert main(["measure", *PAIR, *replay]) == 0
    printed = capsys.readouterr()
    assert "the wanted error is reached" in printed.out
    assert "uncertainty" in printed.err
    assert "1 request: " in printed.err
    before = out.read_bytes()
    assert main(["measure", *PAIR, *replay]) == 0
    assert out.read_bytes() == before
    assert set(read_observations(out).source) == {"simulated"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--meter=replay",), "--replay"),
        (("--meter=volts", "--url=http://127.0.0.1:9"), "--meter nvml"),
        (("--meter=prometheus", "--url=http://127.0.0.1:9"), "--prometheus-url"),
        (("--meter=rapl", "--powercap=.", "--url=http://127.0.0.1:9"), "RAPL counters"),
        (("--meter=rapl",), "--url"),
        (("--input-tokens=9..1", "--url=http://127.0.0.1:9"), "--input-tokens"),
        (("--meter=zeus", "--url=http://127.0.0.1:9"), "jouleplan[zeus]"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    options: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure", *PAIR, f"--out={tmp_path / 'o.csv'}", *options]) == 2
    printed = capsys.readouterr().err.strip().splitlines()
    assert len(printed) == 1
    assert printed[0].startswith("error: Expected")
    assert said in printed[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("llm", "device"), [("llama3.1:8b", DEVICE), (LLM, "gpu")])
def test_names_that_are_none_are_refused(
    llm: str, device: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = f"--out={tmp_path / 'o.csv'}"
    with pytest.raises(SystemExit) as ended:
        main(["measure", f"--llm={llm}", f"--device={device}", "--meter=replay", out])
    assert ended.value.code == 2
    assert "Expected the name of" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--target-error=2", "--max-minutes=-1", "--window-seconds=x"])
def test_numbers_that_are_none_are_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["measure", *PAIR, f"--out={tmp_path / 'o.csv'}", option])
    assert ended.value.code == 2


def test_the_command_line_is_there_before_its_libraries() -> None:
    code = (
        "import sys, profiler.cli; "
        "print(sorted({'numpy', 'scipy', 'matplotlib', 'httpx', 'pynvml'} & set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
