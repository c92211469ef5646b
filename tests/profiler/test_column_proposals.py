"""What a foreign table's columns could be."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler.__main__ import main
from profiler.column_proposals import import_command, proposals
from profiler.observation_files import read_observations
from profiler.observations import COLUMNS

FOREIGN = "prompt_tokens,Completion Tokens,batchSize,latency_s,energy_joules,model\n" + "".join(
    f"{tin},{tout},{batch},{0.5 * batch + tout * 0.02},{10 + tin * 0.01 + tout / batch},A/My-LLM\n"
    for tin in (16, 256, 2048)
    for tout in (32, 256)
    for batch in (1, 8)
)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (["energy_joules"], {"energy_gpu_j": "energy_joules"}),
        (
            ["cpu_energy", "gpu_energy"],
            {"energy_cpu_j": "cpu_energy", "energy_gpu_j": "gpu_energy"},
        ),
        (["joules_per_token", "throughput_tokens_s"], {}),
        (
            ["inputTokens", "outputLen"],
            {"input_tokens": "inputTokens", "output_tokens": "outputLen"},
        ),
        (["p99_latency", "latency"], {"runtime_s": "latency"}),
        (["input_tokens", "weather"], {}),
        (["max_concurrency", "gpu_name"], {"concurrency": "max_concurrency", "device": "gpu_name"}),
    ],
)
def test_columns_are_proposed_by_the_words_of_their_names(header, found):
    assert proposals(header) == found


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=12))
def test_no_column_is_proposed_twice_and_the_command_is_words_of_a_shell(header):
    found = proposals(header)
    assert len(set(found.values())) == len(found)
    assert set(found.values()) <= set(header)
    assert set(found) <= set(COLUMNS)
    words = shlex.split(import_command("a b.csv", header, COLUMNS))
    assert Path(words[0]).resolve() == Path(sys.executable).resolve()
    assert words[1:6] == ["-m", "profiler", "import", "csv", "a b.csv"]


@pytest.mark.parametrize(
    "program", [[sys.executable, "-m", "profiler"], [Path(sys.executable).parent / "jouleplan"]]
)
def test_fit_on_a_foreign_table_shows_an_import_that_works_as_it_was_started(program, tmp_path):
    path = tmp_path / "foreign.csv"
    path.write_text(FOREIGN)
    fit = [*program, "fit", path, "--models-dir", tmp_path / "models"]
    done = subprocess.run(fit, check=False, capture_output=True, text=True)
    said = done.stderr
    assert done.returncode == 2
    assert "got none named llm, device" in said
    assert said.count("num_gpus") == 2, "once as missing, once in the command"
    command = shlex.split(said[said.index("`") + 1 : said.index("`:")])
    out = tmp_path / "observations.csv"
    begin = [Path(word).resolve() for word in command[: len(program)]]
    assert begin == [Path(word).resolve() for word in program]
    command[command.index("observations.csv")] = str(out)
    assert "device=1xh100" in command, "what no column tells is to be stated"
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    trials = read_observations(out)
    assert set(trials.llm.tolist()) == {"my-llm"}
    assert trials.concurrency.tolist()[:2] == [1.0, 8.0]
    assert main(["fit", str(out), "--models-dir", str(tmp_path / "models")]) == 0


def test_zero_joules_are_reported_at_import_and_named_by_the_fit(tmp_path, capsys):
    path, out = tmp_path / "zero.csv", tmp_path / "observations.csv"
    lines = FOREIGN.splitlines()
    rows = [line.split(",") for line in lines[1:]]
    path.write_text("\n".join([lines[0], *(",".join([*row[:4], "0", row[5]]) for row in rows)]))
    columns = {
        **{"input_tokens": "prompt_tokens", "output_tokens": "Completion Tokens"},
        **{"concurrency": "batchSize", "runtime_s": "latency_s", "energy_gpu_j": "energy_joules"},
        "llm": "model",
    }
    mapped = [f"--column={ours}={theirs}" for ours, theirs in columns.items()]
    stated = ["--set=device=1xh100", "--set=num_gpus=1", "--set=kv_cache=on"]
    assert main(["import", "csv", str(path), "--out", str(out), *mapped, *stated]) == 0
    assert "joules are zero in 12 of 12 trials" in capsys.readouterr().err
    assert main(["fit", str(out), "--models-dir", str(tmp_path / "models")]) == 2
    assert "no trial to learn from, of 12: 12 zero joules" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["1.0", "True", "true", "1"])
def test_a_warm_up_is_one_as_any_program_writes_it(tmp_path, text):
    header = ",".join(COLUMNS)
    path = tmp_path / "observations.csv"
    path.write_text(f"{header}\nA/My-LLM,1xH100,1.0,8.0,on,100.0,10.0,1,9,,{text},test,\n")
    trials = read_observations(path)
    assert trials.warmup.tolist() == [True]
    assert trials.num_gpus.tolist() == [1]
