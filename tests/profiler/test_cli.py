import json

import numpy as np
import pytest

from costmodel.artefact import load
from profiler.__main__ import main
from profiler.observation_files import append_observations
from tests.profiler.builders import (
    kv_off_trials,
    kv_on_trials,
    profiler,
    profiler_process,
    row_of,
    write_rows,
)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted")
    append_observations(folder / "o.csv", kv_off_trials(noise=0.02))
    served = kv_on_trials(llm=np.full(27, "served"))
    append_observations(folder / "o.csv", served)
    append_observations(folder / "o.csv", served.take(np.arange(27) < 2))
    lonely = kv_off_trials(llm=np.full(16, "lonely")).take(np.arange(16) < 1)
    append_observations(folder / "o.csv", lonely)
    (folder / "loads.csv").write_text(
        "llm,device,num_gpus,load_s,load_energy_gpu_j\nmade-up,1xh100,1,40,2400\n"
    )
    done = profiler(
        *("fit", folder / "o.csv", "--loads", folder / "loads.csv"),
        *("--models-dir", folder / "models", "--date", "2025-05"),
    )
    return folder, done


def one_clear_line(done):
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "error: " in last
    return last


def test_fit_writes_an_artefact_and_a_card_for_each_pair_and_names_the_rest(fitted):
    folder, done = fitted
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (folder / "models").iterdir()) == [
        "made-up__1xh100.joblib",
        "made-up__1xh100.json",
        "served__1xh100.joblib",
        "served__1xh100.json",
    ]
    assert "2 pairs fitted" in done.stdout
    assert "1 pair skipped" in done.stdout
    assert "lonely on 1xh100: 1 distinct grid point, 4 needed" in done.stdout
    assert done.stderr == ""
    cost_model = load(folder / "models" / "made-up__1xh100.joblib")
    assert (cost_model.load_s, cost_model.idle_watts) == (40.0, 60.0)
    assert cost_model.provenance.notes[:2] == (
        "Load figures are means of 1 measured load.",
        "idle_watts was not metered: it is the mean power of the whole device while the LLM is "
        "loaded (load joules over load seconds), an upper estimate of idling with it resident.",
    )
    assert cost_model.provenance.date == "2025-05"


def test_fit_writes_the_same_bytes_in_another_process(fitted, tmp_path):
    folder, _ = fitted
    profiler_process(
        *("fit", folder / "o.csv", "--loads", folder / "loads.csv"),
        *("--models-dir", tmp_path, "--date", "2025-05"),
    )
    for path in (folder / "models").iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_check_prints_the_contracted_json(fitted):
    folder, _ = fitted
    done = profiler("check", folder / "o.csv", "--models-dir", folder / "models", "--json")
    assert done.returncode == 0
    first, second = json.loads(done.stdout)
    assert set(first) == {"llm", "device", "n", "energy", "runtime"}
    for quantity in ("energy", "runtime"):
        assert set(first[quantity]) == {"mape", "median_ape", "wape", "p90_ape", "coverage90"}
        assert 0 < first[quantity]["mape"] < 0.05
    assert (first["llm"], first["n"], second["llm"], second["n"]) == ("made-up", 16, "served", 27)
    assert "lonely on 1xh100: no artefact" in done.stderr


def test_a_load_that_cannot_be_ends_the_fit_and_one_of_another_llm_is_reported(fitted, tmp_path):
    folder, _ = fitted
    loads = tmp_path / "loads.csv"
    header = "llm,device,num_gpus,load_s,load_energy_gpu_j\n"
    arguments = ("fit", folder / "o.csv", "--loads", loads, "--models-dir", tmp_path / "models")
    loads.write_text(header + "made-up,1xh100,1,40,2400000\n")
    assert "Were the joules millijoules (60 W)" in one_clear_line(profiler(*arguments))
    assert not (tmp_path / "models").exists()
    loads.write_text(header + "made-up,1xh100,1,40,2400\nmade-upp,1xh100,1,40,2400\n" * 2)
    done = profiler(*arguments)
    assert done.returncode == 0, done.stderr
    assert "left out: 2 loads of made-upp on 1xh100, of which there are no obs" in done.stderr


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_check_of_nothing_is_no_success(fitted, tmp_path, form):
    folder, _ = fitted
    other = kv_off_trials(llm=np.full(16, "unheard-of"))
    append_observations(tmp_path / "o.csv", other)
    warm = kv_off_trials(warmup=np.ones(16, dtype=np.bool_))
    append_observations(tmp_path / "o.csv", warm)
    done = profiler("check", tmp_path / "o.csv", "--models-dir", folder / "models", *form)
    said = one_clear_line(done)
    assert "none to check: made-up on 1xh100, of 16 trials: 16 warm-up; unheard-of on" in said


def test_check_prints_a_table_for_people(fitted):
    folder, _ = fitted
    done = profiler("check", folder / "o.csv", "--models-dir", folder / "models")
    assert done.returncode == 0
    assert "2 artefacts checked" in done.stdout


def test_one_pair_is_counted_in_the_singular(tmp_path):
    append_observations(tmp_path / "o.csv", kv_off_trials(noise=0.02))
    (tmp_path / "loads.csv").write_text(
        "llm,device,num_gpus,load_s,load_energy_gpu_j,idle_watts\nmade-up,1xh100,1,40,2400,50\n"
    )
    loads = "--loads", tmp_path / "loads.csv"
    models = "--models-dir", tmp_path / "models"
    assert "1 pair fitted" in profiler("fit", tmp_path / "o.csv", *loads, *models).stdout
    assert "1 artefact checked" in profiler("check", tmp_path / "o.csv", *models).stdout
    cost_model = load(tmp_path / "models" / "made-up__1xh100.joblib")
    assert cost_model.idle_watts == 50.0
    assert cost_model.provenance.notes[1] == (
        "idle_watts is the mean power of the whole device, metered with the LLM resident and no "
        "request in flight."
    )


@pytest.mark.parametrize("suffix", ["joblib", "json"])
def test_show_prints_facts_coefficients_and_errors(fitted, suffix):
    folder, _ = fitted
    done = profiler("show", folder / "models" / f"made-up__1xh100.{suffix}")
    assert done.returncode == 0
    for text in ("made-up on 1xh100", "basis kv_off", "S2", "coverage %", "mixed_lengths", "null:"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("models", "got the folder models: name one of its files"),
        ("few.csv", "as LLM__DEVICE.joblib, got few.csv"),
        ("alone.json", "as LLM__DEVICE.joblib, got alone.json"),
        ("served__1xh100", "as LLM__DEVICE.joblib, got served__1xh100"),
        ("absent__1xh100.json", "got absent__1xh100.json, which is not there"),
    ],
)
def test_show_names_the_files_that_it_takes(fitted, monkeypatch, capsys, name, got):
    monkeypatch.chdir(fitted[0])
    assert main(("show", name)) == 2
    problem = capsys.readouterr().err
    assert ".joblib file of an artefact, or the .json beside it" in problem
    assert got in problem


def test_errors_prints_markdown(fitted):
    folder, _ = fitted
    done = profiler("errors", "--models-dir", folder / "models")
    assert done.returncode == 0
    assert "| made-up | 1xh100 | 16 |" in done.stdout


def test_a_damaged_artefact_is_named_and_the_others_are_checked(fitted, tmp_path):
    folder, _ = fitted
    for path in (folder / "models").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "served__1xh100.joblib").write_bytes(b"no artefact")
    done = profiler("check", folder / "o.csv", "--models-dir", tmp_path, "--json")
    assert done.returncode == 0
    assert [one["llm"] for one in json.loads(done.stdout)] == ["made-up"]
    assert "refused: served__1xh100.joblib" in done.stderr


def test_an_import_is_reported_and_repeats_nothing(tmp_path):
    source = write_rows(tmp_path / "mine.csv", [row_of(), row_of(warmup="1", input_tokens="64")])
    out = tmp_path / "o.csv"
    assert "2 of 2 trials written" in profiler("import", "csv", source, "--out", out).stdout
    assert "0 of 2 trials written" in profiler("import", "csv", source, "--out", out).stdout


def test_a_foreign_table_is_imported_from_the_command_line(tmp_path):
    source = write_rows(tmp_path / "mine.csv", [{"seconds": "2", **row_of(runtime_s="")}])
    options = ("--column", "runtime_s=seconds", "--set", "llm=mine", "--set", "engine=vllm")
    done = profiler("import", "csv", source, "--out", tmp_path / "o.csv", *options)
    assert done.returncode == 0, done.stderr
    assert "mine" in (tmp_path / "o.csv").read_text()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"runtime_s": "nan"}, "row 2, column runtime_s: Expected positive seconds, got 'nan'."),
        ({"energy_gpu_j": "-1"}, "row 2, column energy_gpu_j: Expected zero or more joules"),
        ({"output_tokens": "many"}, "row 2, column output_tokens: Expected 1 or more tokens"),
        ({"energy_scope": "box"}, "row 2, column energy_scope: Expected 'gpu' or 'gpu+cpu' or"),
        ({"max_context_tokens": "4k"}, "row 2, column max_context_tokens: Expected a whole number"),
        (
            {"max_context_tokens": "nan"},
            "row 2, column max_context_tokens: Expected a whole number",
        ),
    ],
)
def test_bad_observations_are_one_clear_line(tmp_path, changes, problem):
    path = write_rows(tmp_path / "o.csv", [row_of(**changes)])
    assert problem in one_clear_line(profiler("fit", path, "--models-dir", tmp_path / "m"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("fit", "absent.csv", "--models-dir", "m"),
        ("fit", "few.csv", "--models-dir", "m"),
        ("fit", "few.csv", "--models-dir", "m", "--date", "yesterday"),
        ("fit", "few.csv", "--loads", "few.csv", "--models-dir", "m"),
        ("fit", "few.csv", "--models-dir", "few.csv"),
        ("check", "few.csv", "--models-dir", "m"),
        ("show", "few.csv"),
        ("show", "absent__1xh100.joblib"),
        ("errors", "--models-dir", "absent"),
        ("import", "wilkins2024", "few.csv", "--out", "o.csv"),
        ("import", "mlenergy_v3", "few.csv", "--out", "o.csv"),
        ("import", "parquet", "few.csv", "--out", "o.csv"),
        ("import", "csv", "few.csv", "--out", "o.csv", "--set", "llm"),
        ("anova", "."),
        ("anova", "few.csv"),
        ("measure",),
        (),
    ],
)
def test_bad_input_is_status_two_and_one_line(tmp_path, monkeypatch, capsys, arguments):
    write_rows(tmp_path / "few.csv", [row_of()])
    monkeypatch.chdir(tmp_path)
    try:
        status = main(arguments)
    except SystemExit as usage:
        status = usage.code
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert "error: " in printed.err.strip().splitlines()[-1]
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize(
    ("form", "option", "value", "takers"),
    [
        ("vllm-bench", "--unit", "energy_gpu_j=mJ", "csv"),
        ("vllm-bench", "--column", "input_tokens=prompt", "csv"),
        ("csv", "--power-log", "log.csv", "vllm-bench"),
        ("csv", "--zone", "UTC", "vllm-bench, mlenergy"),
        ("wilkins2024", "--set", "llm=mine", "csv, vllm-bench, mlenergy"),
    ],
)
def test_an_option_that_a_format_does_not_read_is_refused(capsys, form, option, value, takers):
    assert main(("import", form, "few.csv", "--out", "o.csv", option, value)) == 2
    assert f"Expected {option} with {takers} only, got it with {form}." in capsys.readouterr().err
