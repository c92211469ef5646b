"""Tables of text as programs and spreadsheets write them: quantities are read, text is kept."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler.delimited import read_table
from profiler.errors import ObservationError
from profiler.importers.column_map import import_csv
from profiler.importers.power_log import read_power_log
from tests.profiler.foreign_tables import CONSTANTS
from tests.written_numbers import AMOUNTS, LOOK_ALIKES, with_comma

BEGIN = 1_772_366_400
ROWS = st.lists(st.tuples(AMOUNTS, AMOUNTS, LOOK_ALIKES, LOOK_ALIKES), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "a.csv"


def write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([header, *rows])


@settings(deadline=None)
@given(ROWS, st.booleans(), st.booleans())
def test_text_is_kept_and_quantities_are_read_as_meant_or_left_to_be_refused(
    path: Path, meant: list[tuple[Decimal, Decimal, str, str]], commas: bool, parts: bool
) -> None:
    def written(amount: Decimal) -> str:
        return with_comma(amount, parts_thousands=parts) if commas else str(amount)

    cells = [[host, written(a), version, written(b)] for a, b, host, version in meant]
    write(path, ["host", "seconds", "version", "joules"], cells)
    header, rows = read_table(path, lambda _: {"seconds", "joules", "watts"})
    assert header == ["host", "seconds", "version", "joules"]
    assert [(row["host"], row["version"]) for _, row in rows] == [one[2:] for one in meant]
    found = [row[name] for _, row in rows for name in ("seconds", "joules")]
    distinguishable = not commas or any("," in written(one) for row in meant for one in row[:2])
    if distinguishable and not any("," in cell for cell in found):
        assert list(map(float, found)) == [float(one) for row in meant for one in row[:2]]


def test_an_import_reads_quantities_under_their_names_and_keeps_text(path: Path) -> None:
    header = ["host", "llm_version", "latency", "prompt", "energy_gpu_j"]
    rows = [
        ["10.120.130.140", "1.200.300", "0.512", "1.060", "17,31"],
        ["10.120.130.141", "1.200", "0.733", "64", "20,2"],
    ]
    write(path, header, rows)
    constants = {name: text for name, text in CONSTANTS.items() if name != "input_tokens"}
    renamed = {"runtime_s": "latency", "input_tokens": "prompt"}
    trials, _ = import_csv(path, renamed, constants)
    assert trials.runtime_s.tolist() == [0.512, 0.733]
    assert trials.input_tokens.tolist() == [1060.0, 64.0]
    assert trials.energy_gpu_j.tolist() == [17.31, 20.2]
    assert trials.extra["host"].tolist() == ["10.120.130.140", "10.120.130.141"]
    assert trials.extra["llm_version"].tolist() == ["1.200.300", "1.200"]


def test_a_log_of_decimal_commas_keeps_the_names_of_its_gpus(path: Path) -> None:
    rows = [
        [f"{BEGIN + second},5", f"10.120.130.{gpu}", "300,0"]
        for second in range(20)
        for gpu in (140, 141)
    ]
    write(path, ["timestamp", "host", "power_w"], rows)
    log = read_power_log(path)
    assert set(log.readings) == {"10.120.130.140", "10.120.130.141"}
    assert log.joules(BEGIN + 5, 10) == pytest.approx(6000)


def test_an_index_without_a_name_may_be_the_moment_in_decimal_commas(path: Path) -> None:
    write(path, ["", "power_w"], [[f"{BEGIN + second},5", "300,0"] for second in range(20)])
    assert read_power_log(path).joules(BEGIN + 5, 10) == pytest.approx(3000)


@pytest.mark.parametrize("seconds", ["0.512,5", "1,512.5"])
def test_what_no_writer_means_is_refused_beside_decimal_commas(path: Path, seconds: str) -> None:
    write(path, ["runtime_s", "energy_gpu_j"], [[seconds, "57,31"]])
    with pytest.raises(ObservationError, match=r"column runtime_s: .*may stand for a decimal"):
        import_csv(path, {}, CONSTANTS)
