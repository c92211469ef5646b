import numpy as np
import pytest

from profiler.errors import ObservationError
from profiler.observation_files import append_observations, read_observations
from profiler.observations import COLUMNS, joined
from tests.profiler.builders import kv_off_trials, kv_on_trials, row_of, write_rows


def test_what_was_written_reads_back(tmp_path):
    trials = kv_on_trials()
    path = tmp_path / "observations.csv"
    assert append_observations(path, trials) == len(trials)
    back = read_observations(path)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(back, name), getattr(trials, name))


def test_unrecorded_input_tokens_and_processor_joules_are_empty_cells(tmp_path):
    trials = kv_on_trials()
    blank = np.full(len(trials), np.nan)
    append_observations(tmp_path / "o.csv", kv_on_trials(input_tokens=blank))
    back = read_observations(tmp_path / "o.csv")
    assert np.isnan(back.input_tokens).all()
    assert np.isnan(back.energy_cpu_j).all()


def test_further_columns_are_kept(tmp_path):
    path = write_rows(tmp_path / "a.csv", [row_of(ttft_s="0.1"), row_of(ttft_s="0.2")])
    append_observations(tmp_path / "b.csv", read_observations(path))
    assert read_observations(tmp_path / "b.csv").extra["ttft_s"].tolist() == ["0.1", "0.2"]


def test_columns_may_come_in_any_order(tmp_path):
    row = dict(reversed(row_of(output_tokens="64").items()))
    assert read_observations(write_rows(tmp_path / "o.csv", [row])).output_tokens == [64]


def test_appending_keeps_what_was_there(tmp_path):
    path = tmp_path / "o.csv"
    append_observations(path, kv_off_trials(seed=1, noise=0.1))
    before = path.read_text()
    append_observations(path, kv_off_trials(seed=2, noise=0.1))
    assert path.read_text().startswith(before)
    assert len(read_observations(path)) == 2 * len(kv_off_trials())


def test_appending_the_same_trials_again_adds_nothing(tmp_path):
    path = tmp_path / "o.csv"
    append_observations(path, kv_off_trials())
    before = path.read_bytes()
    assert append_observations(path, kv_off_trials()) == 0
    assert path.read_bytes() == before


def test_repeats_within_a_file_are_all_kept(tmp_path):
    path = tmp_path / "o.csv"
    assert append_observations(path, joined([kv_off_trials(), kv_off_trials()])) == 32


def test_other_columns_are_never_mixed_into_a_file(tmp_path):
    path = tmp_path / "o.csv"
    append_observations(path, kv_off_trials())
    trials = kv_off_trials(extra={"suite": np.full(16, "grid")})
    with pytest.raises(ObservationError, match="got one without suite: give another --out"):
        append_observations(path, trials)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("runtime_s", "nan"),
        ("runtime_s", "0"),
        ("runtime_s", "-1"),
        ("runtime_s", ""),
        ("runtime_s", "fast"),
        ("runtime_s", "inf"),
        ("output_tokens", "0"),
        ("output_tokens", "1e300"),
        ("input_tokens", "-8"),
        ("input_tokens", "nan"),
        ("energy_gpu_j", "-0.1"),
        ("energy_gpu_j", ""),
        ("concurrency", "0.5"),
        ("num_gpus", "1.5"),
        ("kv_cache", "maybe"),
        ("warmup", "yes"),
        ("llm", "../.."),
        ("llm", ""),
        ("device", "gpu"),
        ("source", ""),
    ],
)
def test_a_bad_cell_is_named_with_its_row_and_column(tmp_path, column, text):
    path = write_rows(tmp_path / "o.csv", [row_of(), row_of(**{column: text})])
    with pytest.raises(ObservationError) as refused:
        read_observations(path)
    assert (refused.value.row, refused.value.column) == (3, column)
    assert f"row 3, column {column}: Expected" in str(refused.value)


@pytest.mark.parametrize("absent", COLUMNS)
def test_a_missing_column_is_named(tmp_path, absent):
    row = {name: text for name, text in row_of().items() if name != absent}
    with pytest.raises(ObservationError, match=f"got none named {absent}"):
        read_observations(write_rows(tmp_path / "o.csv", [row]))


def test_a_device_of_another_size_than_its_name_says_is_refused(tmp_path):
    path = write_rows(tmp_path / "o.csv", [row_of(device="2xh100", num_gpus="4")])
    with pytest.raises(ObservationError, match="Expected num_gpus 2"):
        read_observations(path)


def test_negative_processor_joules_need_a_flag_that_explains_them(tmp_path):
    with pytest.raises(ObservationError, match="energy_cpu_j"):
        read_observations(write_rows(tmp_path / "a.csv", [row_of(energy_cpu_j="-3")]))
    explained = row_of(energy_cpu_j="-3", flags="x;cpu_negative_after_idle_subtraction")
    trials = read_observations(write_rows(tmp_path / "b.csv", [explained]))
    assert np.isnan(trials.energy_cpu_j).all()


@pytest.mark.parametrize(
    "content",
    [b"", b"llm\n", b"\xff\xfe\x00", b"llm,llm\na,b\n", b'"unclosed\n'],
    ids=["empty", "header", "bytes", "twice", "quote"],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content):
    path = tmp_path / "o.csv"
    path.write_bytes(content)
    with pytest.raises(ObservationError, match="Expected"):
        read_observations(path)


def test_a_row_with_a_cell_too_few_is_refused(tmp_path):
    path = write_rows(tmp_path / "o.csv", [row_of(), dict(list(row_of().items())[:-1])])
    with pytest.raises(ObservationError, match="row 3: Expected 13 cells, got 12"):
        read_observations(path)
