"""Logs of power as files: encodings, separators, missing readings, clocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from costmodel.zones import UNIVERSAL
from profiler.errors import ObservationError
from profiler.importers.power_log import read_power_log
from tests.profiler.importers.power_logs import BEGIN, read_log


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_encoding_and_end_of_line_is_read(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "power.csv"
    lines = ["timestamp,temp [°C],power_w", *(f"{BEGIN + s},61,300" for s in range(20))]
    path.write_bytes(end.join(lines).encode(encoding))
    assert read_power_log(path).joules(BEGIN + 5, 10) == pytest.approx(3000)


def test_a_first_line_may_state_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    lines = ["sep=;", "timestamp;gpu power, board (W)", *(f"{BEGIN + s};300" for s in range(20))]
    path.write_text("\r\n".join(lines))
    assert read_power_log(path).joules(BEGIN + 5, 10) == pytest.approx(3000)


def test_a_logger_that_was_begun_anew_writes_its_header_again(tmp_path: Path) -> None:
    rows = [f"{{at}}, {300 if second else 200}" for second in range(20)]
    rows[7] = "timestamp, power_w"
    log = read_log(tmp_path, "timestamp, power_w", rows)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    for content in (
        b"\x00\x01\x02",
        "timestamp,power_w\n1,2".encode("utf-16-le"),
        b"",
        b"\xff\xfe",
    ):
        path.write_bytes(content)
        with pytest.raises(ObservationError):
            read_power_log(path)


def test_readings_that_a_driver_missed_are_left_out_and_counted(tmp_path: Path) -> None:
    for absent in ("[N/A]", "ERR!", "[Not Supported]", "[Unknown Error]", ""):
        rows = [f"{{at}}, {absent if second == 8 else '300.00 W'}" for second in range(20)]
        log = read_log(tmp_path, "timestamp, power.draw [W]", rows)
        assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)
        assert any("1 reading missing" in note for note in log.notes)


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize(
    ("cells", "joules"),
    [
        (("300,0", "300,0"), 3000),
        (("300,00 W", "300 W"), 3000),
        (("1.200,5", "1.200,5"), 12005),
        (("0,250 kW", "0,250 kW"), 2500),
        (("300.5", "300.5"), 3005),
        (("300,500", "300,5"), 3005),
    ],
)
def test_decimal_commas_are_read_where_they_can_be_nothing_else(
    tmp_path: Path, separator: str, cells: tuple[str, str], joules: float
) -> None:
    lines = [f"{BEGIN + s}{separator}{cells[s % 2]}" for s in range(20)]
    path = tmp_path / "power.csv"
    path.write_text("\n".join([f"timestamp{separator}power", *lines]))
    assert read_power_log(path).joules(BEGIN + 5, 10) == pytest.approx(joules)


@pytest.mark.parametrize(
    "cells", [("300,500", "301,250"), ("300,5", "300.5"), ("1,234.5", "1,234.5")]
)
def test_commas_that_may_part_thousands_are_refused(tmp_path: Path, cells: tuple[str, str]) -> None:
    lines = [f"{BEGIN + s};{cells[s % 2]}" for s in range(20)]
    path = tmp_path / "power.csv"
    path.write_text("\n".join(["timestamp;power_w", *lines]))
    with pytest.raises(ObservationError, match="may stand for a decimal point or part thousands"):
        read_power_log(path)


def test_a_row_that_was_cut_off_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ObservationError, match=r"got 1: '2026/03.*cut off"):
        read_log(tmp_path, "timestamp,power_w", [*["{at},300"] * 20, "2026/03"])


def test_a_gap_in_the_run_is_refused_with_its_place(tmp_path: Path) -> None:
    rows = [f"{BEGIN + s},300" for s in (*range(5), *range(30, 40))]
    log = read_log(tmp_path, "timestamp,power_w", rows)
    with pytest.raises(ObservationError, match=r"none between \S+:04\.000.* and \S+:30\.000"):
        log.joules(BEGIN + 2, 35)


def test_the_csv_of_dmon_is_read_past_its_units(tmp_path: Path) -> None:
    """As ``nvidia-smi dmon -s p -o DT --format csv`` writes it."""
    path = tmp_path / "power.csv"
    rows = [f" 20260301, 12:00:{second:02}, 0, 300, 44" for second in range(20)]
    path.write_text(
        "\n".join(["#Date, Time, gpu, pwr, gtemp", "#YYYYMMDD, HH:MM:SS, Idx, W, C", *rows])
    )
    assert read_power_log(path, UNIVERSAL).joules(BEGIN + 5, 10) == pytest.approx(3000)


def test_a_last_row_that_is_cut_off_is_left_out_and_named(tmp_path: Path) -> None:
    header, torn = "timestamp, index, power.draw [W]", "2026/03/01 12:0"
    rows = ["{at}, 0, 300.00 W"] * 20
    with pytest.raises(ObservationError, match="row 22: Expected 3 cells, got 1"):
        read_log(tmp_path, header, [*rows, torn])
    path = tmp_path / "power.csv"
    path.write_text(path.read_text().rstrip("\n"))
    log = read_power_log(path, UNIVERSAL)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)
    assert any("row 22 is cut off, and left out" in note for note in log.notes)


@pytest.mark.parametrize("back_s", [0.75, 20.0])
def test_a_clock_that_was_set_back_is_refused(tmp_path: Path, back_s: float) -> None:
    moments = [BEGIN + 0.5 * count - (back_s if count > 60 else 0.0) for count in range(120)]
    rows = [f"{moment:.2f},300" for moment in moments]
    with pytest.raises(ObservationError, match="its clock was set back, or rows are out of order"):
        read_log(tmp_path, "timestamp,power_w", rows)


def test_logs_that_were_put_together_in_any_order_are_read(tmp_path: Path) -> None:
    stretches = [range(10, 20), range(0, 10), range(20, 30)]
    rows = [f"{BEGIN + second},{300}" for stretch in stretches for second in stretch]
    log = read_log(tmp_path, "timestamp,power_w", rows)
    assert log.joules(BEGIN + 5, 20) == pytest.approx(6000)
    assert read_log(tmp_path, "timestamp,power_w", rows[::-1]).joules(BEGIN + 5, 20) == 6000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"data": {"result": []}}', "got JSON"),
        (b'[{"timestamp": 1}]', "got JSON"),
        (b"\x1f\x8b\x08\0", "gunzip it first"),
        (b"PK\x03\x04\x14\0", "save the table as CSV"),
        (b"PAR1\x15\0", "Parquet"),
    ],
)
def test_a_file_that_is_no_table_says_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "power.csv").write_bytes(content)
    with pytest.raises(ObservationError, match=said):
        read_power_log(tmp_path / "power.csv", UNIVERSAL)
