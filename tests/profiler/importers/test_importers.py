import json

import numpy as np
import pytest

from profiler.errors import ObservationError, UnusableInputError
from profiler.importers.column_map import import_csv, parse_assignments
from profiler.importers.mlenergy_v3 import NEEDED_COLUMNS, import_mlenergy_v3
from profiler.importers.wilkins2024 import import_wilkins2024
from profiler.observations import COLUMNS
from tests.profiler.builders import row_of, write_rows


def configuration(batch=8, task="lm-arena-chat", **changes):
    cells = {
        "task": task,
        "model_id": "meta-llama/Made-Up-8B",
        "gpu_model": "H100",
        "num_gpus": "2",
        "avg_batch_size": str(batch - 0.5),
        "avg_output_len": "400",
        "energy_per_request_joules": "60",
        "output_throughput_tokens_per_sec": "800",
        "tensor_parallel": "2",
        "expert_parallel": "1",
        "data_parallel": "1",
        "max_num_seqs": str(batch),
        "weight_precision": "bfloat16",
        "architecture": "Dense Transformer",
    }
    assert set(cells) == set(NEEDED_COLUMNS)
    return {**cells, **changes}


def imported(tmp_path, *rows):
    return import_mlenergy_v3(write_rows(tmp_path / "configurations.csv", list(rows)))


def test_a_configuration_becomes_a_trial(tmp_path):
    trials, left_out = imported(tmp_path, *(configuration(batch) for batch in (8, 16, 32)))
    assert left_out == []
    assert trials.llm.tolist() == ["made-up-8b"] * 3
    assert trials.device.tolist() == ["2xh100"] * 3
    assert trials.concurrency.tolist() == [7.5, 15.5, 31.5]
    np.testing.assert_allclose(trials.runtime_s, 400 * trials.concurrency / 800)
    np.testing.assert_allclose(trials.device_seconds, 0.5)
    assert trials.energy_gpu_j.tolist() == [60.0] * 3
    assert np.isnan(trials.input_tokens).all()
    assert set(trials.kv_cache.tolist()) == {"on"}


def test_other_than_plain_tensor_parallelism_is_in_the_name_of_the_device(tmp_path):
    split = {"tensor_parallel": "1", "expert_parallel": "2"}
    trials, _ = imported(tmp_path, *(configuration(batch, **split) for batch in (8, 16, 32)))
    assert set(trials.device.tolist()) == {"2xh100-tp1-ep2-dp1"}


def test_chat_is_preferred_where_it_has_three_batch_sizes(tmp_path):
    both = [configuration(b, task) for task in ("gpqa", "lm-arena-chat") for b in (8, 16, 32)]
    trials, _ = imported(tmp_path, *both)
    assert trials.only("task") == "lm-arena-chat"
    trials, _ = imported(tmp_path, *both[:5])
    assert trials.only("task") == "gpqa"


def test_two_batches_do_not_identify_a_curve(tmp_path):
    rows = [configuration(b) for b in (8, 16, 32)]
    rows += [configuration(b, model_id="x/Two") for b in (8, 16)]
    rows += [configuration(b, "image-chat", model_id="x/Image") for b in (8, 16, 32)]
    trials, left_out = imported(tmp_path, *rows)
    assert set(trials.llm.tolist()) == {"made-up-8b"}
    assert [sentence.split(" on ")[0] for sentence in left_out] == ["image", "two"]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("avg_batch_size", "nan"),
        ("avg_output_len", "0"),
        ("output_throughput_tokens_per_sec", "-5"),
        ("energy_per_request_joules", "much"),
        ("num_gpus", "1.5"),
        ("model_id", "a b c"),
        ("gpu_model", ""),
    ],
)
def test_a_bad_configuration_is_named_with_its_row(tmp_path, column, text):
    rows = [configuration(batch, **{column: text}) for batch in (8, 16, 32)]
    with pytest.raises(ObservationError, match="row 2"):
        imported(tmp_path, *rows)


def test_the_leaderboard_gives_forty_seven_curves(shared_data):
    trials, left_out = import_mlenergy_v3(shared_data / "mlenergy_v3")
    assert len(list(trials.pairs())) == 47
    assert len(left_out) == 19
    assert all(some.only("task") for _, _, some in trials.pairs())


ABOVE = ("model_id", "task", "weight_precision", "architecture")
PARALLEL = ("tensor_parallel", "expert_parallel", "data_parallel")


def per_llm(*batches, drop=(), **changes):
    """Return a file of the leaderboard: what holds for all above, the rest a configuration."""
    numbers = [
        {
            name: text if name in ("gpu_model", *ABOVE) else float(text)
            for name, text in configuration(batch).items()
        }
        for batch in batches
    ]
    listed = [
        {name: one[name] for name in one if name not in (*ABOVE, *PARALLEL, *drop)}
        | {"energy_per_token_joules": 0.15, "num_gpus": 2, "max_num_seqs": int(batch)}
        | {"parallelization": {name: int(one[name]) for name in PARALLEL} | {"notes": ""}}
        | {"output_length_distribution": {"bins": [2.0, 9.0], "counts": [1]}}
        for one, batch in zip(numbers, batches, strict=True)
    ]
    return {name: numbers[0][name] for name in ABOVE} | {"configurations": listed} | changes


@pytest.mark.parametrize("drop", [(), ("avg_output_len",)])
def test_the_leaderboards_file_of_an_llm_says_what_its_table_says(tmp_path, drop):
    table, _ = imported(tmp_path, *(configuration(batch) for batch in (8, 16, 32)))
    path = tmp_path / "meta-llama__Made-Up-8B__lm-arena-chat.json"
    path.write_text(json.dumps(per_llm(8, 16, 32, drop=drop)))
    trials, left_out = import_mlenergy_v3(path)
    assert left_out == []
    for name in COLUMNS:
        ours, theirs = getattr(trials, name), getattr(table, name)
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    assert trials.extra["hardware"].tolist() == table.extra["hardware"].tolist()


def test_the_leaderboards_file_of_a_task_and_a_folder_of_files_are_read(tmp_path):
    task = [configuration(batch) for batch in (8, 16, 32)]
    (tmp_path / "lm-arena-chat.json").write_text(
        json.dumps({"task": "lm-arena-chat", "configurations": task})
    )
    image = {"configurations": [{"model_id": "a/b", "energy_per_image_joules": 9.0}]}
    (tmp_path / "text-to-image.json").write_text(json.dumps(image))
    trials, left_out = import_mlenergy_v3(tmp_path)
    assert len(trials) == 3
    assert left_out == ["text-to-image.json: no energy_per_request_joules, as of images and videos"]
    with pytest.raises(ObservationError, match="images and videos"):
        import_mlenergy_v3(tmp_path / "text-to-image.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "configurations of the ML.ENERGY Leaderboard"),
        ("[1", "JSON file"),
        ('{"configurations": [1]}', "row 1: Expected a configuration as an object"),
        ('{"configurations": [{"energy_per_request_joules": 1}]}', "gpu_model"),
    ],
)
def test_other_json_is_no_leaderboard(tmp_path, text, said):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ObservationError, match=said):
        import_mlenergy_v3(path)


def test_single_request_trials_come_through_unchanged(shared_data):
    trials = import_wilkins2024(shared_data / "wilkins2024" / "observations.csv")
    assert len(trials) == 2339
    assert set(trials.extra) == {"suite", "trial"}
    assert np.isnan(
        trials.energy_cpu_j[trials.flagged("cpu_negative_after_idle_subtraction")]
    ).all()


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"source": "other"}, "source"),
        ({"kv_cache": "on"}, "kv_cache"),
        ({"concurrency": "32", "energy_gpu_j": "5"}, "concurrency"),
    ],
)
def test_a_campaign_that_breaks_its_promises_is_refused(tmp_path, changes, column):
    good = {"source": "wilkins2024", "energy_gpu_j": "100"}
    path = write_rows(
        tmp_path / "observations.csv", [row_of(**good), row_of(**{**good, **changes})]
    )
    with pytest.raises(ObservationError, match=f"column {column}.*trial 2"):
        import_wilkins2024(path)


FOREIGN = {"prompt": "100", "generated": "20", "seconds": "1.5", "joules": "300", "note": "x"}
RENAMED = {
    "input_tokens": "prompt",
    "output_tokens": "generated",
    "runtime_s": "seconds",
    "energy_gpu_j": "joules",
}
CONSTANTS = {
    "llm": "made-up",
    "device": "1xa10g",
    "num_gpus": "1",
    "concurrency": "1",
    "kv_cache": "on",
    "engine": "llama.cpp",
}


def test_any_table_is_read_by_naming_its_columns(tmp_path):
    path = write_rows(tmp_path / "mine.csv", [FOREIGN])
    trials, _ = import_csv(path, RENAMED, CONSTANTS)
    assert (trials.input_tokens, trials.output_tokens) == ([100], [20])
    assert (trials.runtime_s, trials.energy_gpu_j) == ([1.5], [300])
    assert {name: values.tolist() for name, values in trials.extra.items()} == {
        "note": ["x"],
        "engine": ["llama.cpp"],
    }
    assert trials.source.tolist() == ["csv"]


def test_a_column_that_is_not_there_is_named(tmp_path):
    path = write_rows(tmp_path / "mine.csv", [FOREIGN])
    with pytest.raises(ObservationError, match="'watts'"):
        import_csv(path, {**RENAMED, "energy_gpu_j": "watts"}, CONSTANTS)
    with pytest.raises(ObservationError, match=r"energy_gpu_j too, .* energy_gpu_j=joules"):
        import_csv(path, {k: v for k, v in RENAMED.items() if k != "energy_gpu_j"}, CONSTANTS)


@pytest.mark.parametrize(("device", "count"), [("1xl4", 1), ("H100 x 2", 2), ("Apple M1 Pro", 1)])
def test_the_name_of_a_device_says_how_many_gpus_it_has(tmp_path, device, count):
    path = write_rows(tmp_path / "mine.csv", [{**FOREIGN, "joules": "60"}])
    constants = {name: text for name, text in CONSTANTS.items() if name != "num_gpus"}
    constants["device"] = parse_assignments([f"device={device}"], "--set")["device"]
    trials, _ = import_csv(path, RENAMED, constants)
    assert trials.num_gpus.tolist() == [count]


def test_a_column_of_moments_is_named_and_checked(tmp_path):
    renamed = {**RENAMED, **parse_assignments(["started_at=at"], "--column")}
    path = write_rows(tmp_path / "mine.csv", [{**FOREIGN, "at": "1772366410000"}])
    trials, _ = import_csv(path, renamed, CONSTANTS)
    assert trials.extra["started_at"].tolist() == ["1772366410000"]
    path = write_rows(tmp_path / "bad.csv", [{**FOREIGN, "at": "03/01/2026"}])
    with pytest.raises(ObservationError, match="row 2, column at: Expected a moment"):
        import_csv(path, renamed, CONSTANTS)


@pytest.mark.parametrize("text", ["runtime_s", "=x", "nonsense=x"])
def test_an_assignment_that_is_none_is_refused(text):
    with pytest.raises(UnusableInputError, match="Expected --column"):
        parse_assignments([text], "--column")


def test_a_column_that_is_both_renamed_and_constant_is_refused(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("gleichzeitig\n4\n")
    with pytest.raises(UnusableInputError, match=r"by --column concurrency=.*got both"):
        import_csv(path, {"concurrency": "gleichzeitig"}, {"concurrency": "1"})


def test_a_constant_that_replaces_what_the_file_says_is_reported(tmp_path):
    path = write_rows(tmp_path / "mine.csv", [row_of(concurrency="1"), row_of(llm="a/other")])
    trials, notes = import_csv(path, {}, {"llm": "mine", "source": "test"})
    assert set(trials.llm.tolist()) == {"mine"}
    (said,) = [note for note in notes if "replaces" in note]
    assert said == "mine.csv: --set llm=mine replaces its column llm (a/other, made-up)"
