"""Logs of power: which columns are read, in which units, of which GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from costmodel.zones import UNIVERSAL
from profiler.errors import ObservationError
from profiler.importers.power_log import PowerLog, read_power_log

BEGIN = 1_772_366_400
"""Noon of the first of March 2026 in Greenwich."""


def read(folder: Path, header: str, rows: Sequence[str]) -> PowerLog:
    """Read a log of a row each second, `{at}` its moment."""
    path = folder / "power.csv"
    lines = [
        row.replace("{at}", str(BEGIN + second)).replace("{joules}", str(1000 + 300 * second))
        for second, row in enumerate(rows)
    ]
    path.write_text("\n".join([header, *lines]) + "\n")
    return read_power_log(path, UNIVERSAL)


def joules(folder: Path, header: str, row: str) -> float:
    """Joules of ten seconds of a log whose rows are alike."""
    return read(folder, header, [row] * 20).joules(BEGIN + 5, 10)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("timestamp, power.limit [W], power.draw [W]", "{at}, 700.00 W, 300.00 W"),
        ("timestamp, enforced.power.limit [W], power.draw [W]", "{at}, 700, 300"),
        ("timestamp, power.management, power.draw [W], pstate", "{at}, Enabled, 300.00 W, P0"),
        ("timestamp, power.max_limit [W], power.default_limit [W], power.draw", "{at}, 9, 9, 300"),
        ("timestamp, gpu_util [%], gpu_temp, power.draw [W]", "{at}, 40 %, 61, 300.00 W"),
        ("timestamp, utilization.gpu [%], memory.used [MiB], power_w", "{at}, 97 %, 900 MiB, 300"),
        ("timestamp, gpu [%], power_w", "{at}, 97, 300"),
        ("timestamp, power.draw.instant [W], power.draw.average [W]", "{at}, 500 W, 300 W"),
        ("timestamp, power.draw [W], power.draw.average [W]", "{at}, 500.00 W, 300.00 W"),
        ("timestamp, power.draw.instant [W], power.draw [W]", "{at}, 500.00 W, 300.00 W"),
        ("timestamp, power.draw.average [W], power.draw [W]", "{at}, [N/A], 300.00 W"),
        ("timestamp, cpu_power_w, dram_power_w, gpu_power_w", "{at}, 120, 30, 300"),
        ("timestamp, gpu0_power_w, total_power_w", "{at}, 300, 900"),
        ("timestamp,gpu_index,power_w,power_type", "{at},0,300,device_instant"),
        ("timestamp,cpu_power_w,gpu_energy_j", "{at},60,{joules}"),
        ("timestamp,power.limit [W],energy [mJ]", "{at},700,{joules}000"),
        ("timestamp,energy_ws", "{at},{joules}"),
        ("timestamp,gpu_power_w,Voltage (V),Current (A)", "{at},300,12,25"),
        (
            'Time,"DCGM_FI_DEV_POWER_USAGE{gpu=""0"", Hostname=""node-7"", modelName=""H100""}"',
            "{at},300",
        ),
        ("timestamp,power", "{at},300000 mW"),
        ("timestamp,power", "{at},0.3 kW"),
        ("timestamp,Power (kW)", "{at},0.3"),
        ("timestamp,power_mw", "{at},300000"),
        ("timestamp,POWER_MW", "{at},300000"),
        ("timestamp,gpu_power_milliwatts", "{at},300000"),
        ("timestamp,power [mW]", "{at},300 W"),
        ("timestamp,Draw [W]", "{at},300"),
        ("time,watts", "{at},300"),
        ("Time,DCGM_FI_DEV_POWER_USAGE,gpu", "{at},300,0"),
        ("timestamp,index,name,power.draw [W]", "{at},0,NVIDIA H100 80GB HBM3,300.00 W"),
        ("timestamp,gpu,power_w", "{at},NVIDIA H100,300"),
        (",timestamp,power_w", "7,{at},300"),
        ("timestamp;power_w", "{at};300"),
        ("timestamp\tpower_w", "{at}\t300"),
    ],
)
def test_the_draw_is_read_whatever_stands_beside_it(tmp_path: Path, header: str, row: str) -> None:
    assert joules(tmp_path, header, row) == pytest.approx(3000)


@pytest.mark.parametrize(
    "header", ["timestamp,gpu0_power_w,gpu1_power_w", "timestamp,GPU 0 Power (W),GPU 1 Power (W)"]
)
def test_a_column_for_each_gpu_is_read(tmp_path: Path, header: str) -> None:
    log = read(tmp_path, header, ["{at},300,400"] * 20)
    assert sorted(log.readings) == ["0", "1"]
    assert log.joules(BEGIN + 5, 10) == pytest.approx(7000)


@pytest.mark.parametrize(
    ("column", "names"),
    [
        *(("index", "01"), ("gpu", "01"), ("gpu_uuid", ["GPU-aa-1", "GPU-bb-2"]), ("device", "37")),
        *(("pci.bus_id", ["00000000:07:00.0", "00000000:0A:00.0"]), ("gpu_id", ["0.0", "1.0"])),
        ("hostname", ["node-a", "node-b"]),
    ],
)
def test_rows_of_two_gpus_are_told_apart(tmp_path: Path, column: str, names: list[str]) -> None:
    rows = [f"{BEGIN + s},{gpu},{300 + 100 * n}" for s in range(20) for n, gpu in enumerate(names)]
    log = read(tmp_path, f"timestamp,{column},power_w", rows)
    assert list(log.readings) == list(names)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(7000)


def test_the_sum_of_all_gpus_is_said_to_be_one(tmp_path: Path) -> None:
    log = read(tmp_path, "timestamp,total_power_w", ["{at},700"] * 20)
    assert log.summed
    assert log.notes == ("power.csv: total_power_w is taken as the sum of all GPUs",)


@pytest.mark.parametrize(
    ("header", "scale"),
    [
        *(("energy [mJ]", 1e-3), ("energy_uj", 1e-6), ("energy_kWh", 3.6e6), ("energy (Wh)", 3600)),
        *(("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 1e-3), ("joules", 1)),
    ],
)
def test_a_counter_of_energy_is_read_by_its_difference(
    tmp_path: Path, header: str, scale: float
) -> None:
    rows = [f"{{at}},{(1e6 + 300 * second) / scale!r}" for second in range(20)]
    log = read(tmp_path, f"timestamp,{header}", rows)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("timestamp,power.limit [W]", "{at},700 W", "not what GPUs draw"),
        ("timestamp,cpu_power_w", "{at},100", "not what GPUs draw"),
        ("timestamp,gpu_util [%]", "{at},97", "Expected a column of what GPUs draw"),
        ("timestamp,power [%]", "{at},97", "Expected a unit"),
        ("timestamp,power_mw [W]", "{at},300", "Expected one unit in the name"),
        ("timestamp,power_w", "{at},300 J", "Expected W"),
        ("timestamp,power_w", "{at},97 %", "Expected a unit"),
        ("timestamp;power_w", "{at};300,500", "decimal point"),
        ("timestamp,power_w,board_power_w", "{at},300,310", "keep those that are meant"),
        ("timestamp,energy_mj", "{at},300", "case says nothing"),
        ("timestamp,energy", "{at},300", "Expected a unit"),
        ("timestamp,power_w", "{at},-5", "zero or more"),
        ("timestamp,power_w", "{at},[N/A]", "got none in power_w"),
        ("timestamp,gpu,power_w", "{at},40.5,300", "rename the column"),
        ("timestamp,gpu,power_w", "{at},40 %,300", "rename the column"),
        ("when,power_w", "{at},300", "a column of moments"),
        ("timestamp,power_w", "12.5,300", "Expected a moment"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, header: str, row: str, said: str) -> None:
    with pytest.raises(ObservationError, match=said):
        joules(tmp_path, header, row)


def test_cells_with_and_without_units_are_refused_unless_the_header_has_one(
    tmp_path: Path,
) -> None:
    rows = ["{at},300000 mW", "{at},300"] * 10
    with pytest.raises(ObservationError, match="Expected a unit"):
        read(tmp_path, "timestamp,power", rows)
    log = read(tmp_path, "timestamp,power [W]", rows)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)
    assert log.notes == ("power.csv: cells of power [W] are in mW, which is taken",)


def test_two_readings_a_moment_need_something_to_tell_them_apart(tmp_path: Path) -> None:
    rows = [f"{BEGIN + second // 2},300" for second in range(40)]
    with pytest.raises(ObservationError, match="nothing to tell GPUs apart"):
        read(tmp_path, "timestamp,power_w", rows)


def test_readings_in_bursts_are_of_several_gpus(tmp_path: Path) -> None:
    rows = [f"{BEGIN + s + 0.003 * gpu:.3f},{300 + 100 * gpu}" for s in range(20) for gpu in (0, 1)]
    with pytest.raises(ObservationError, match="bursts, as of several GPUs"):
        read(tmp_path, "timestamp,power_w", rows)


def test_a_column_that_is_no_gpu_is_read_too_seldom_to_be_one(tmp_path: Path) -> None:
    rows = [f"{{at}},{40 if second % 10 else 41},300" for second in range(20)]
    with pytest.raises(ObservationError, match="is that what tells GPUs apart"):
        read(tmp_path, "timestamp,gpu,power_w", rows)


def test_joules_of_intervals_are_no_counter(tmp_path: Path) -> None:
    rows = [f"{{at}},{300 + second % 3}" for second in range(20)]
    with pytest.raises(ObservationError, match="log watts"):
        read(tmp_path, "timestamp,energy_j", rows)


def test_what_was_taken_and_assumed_is_said(tmp_path: Path) -> None:
    header = "timestamp,power.limit [W],power.draw,power.draw.instant"
    log = read(tmp_path, header, ["{at},700,300,500"] * 20)
    assert log.notes == (
        "power.csv: power.draw is what was drawn; not read: power.draw.instant, power.limit [W]",
        "power.csv: power.draw names no unit, taken as W",
    )


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
    log = read(tmp_path, "timestamp, power_w", rows)
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


def test_readings_that_a_driver_missed_are_left_out_and_told(tmp_path: Path) -> None:
    for absent in ("[N/A]", "ERR!", "[Not Supported]", "[Unknown Error]", ""):
        rows = [f"{{at}}, {absent if second == 8 else '300.00 W'}" for second in range(20)]
        log = read(tmp_path, "timestamp, power.draw [W]", rows)
        assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)
        assert any("1 readings are missing" in note for note in log.notes)


def test_a_gpu_without_a_reading_is_not_forgotten(tmp_path: Path) -> None:
    rows = [f"{BEGIN + s},{gpu},{'[N/A]' if gpu else 300}" for s in range(20) for gpu in (0, 1)]
    with pytest.raises(ObservationError, match="readings or more of GPU 1, got 0"):
        read(tmp_path, "timestamp,index,power.draw [W]", rows)


@pytest.mark.parametrize(
    "name",
    [
        "Average Graphics Package Power (W)",
        "Current Socket Graphics Package Power (W)",
        "system.gpu.0.powerWatts",
        "node gpu power [W]",
    ],
)
def test_a_gpu_in_a_package_or_a_system_is_a_gpu(tmp_path: Path, name: str) -> None:
    log = read(tmp_path, f"timestamp,{name}", ["{at},300"] * 20)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)


@pytest.mark.parametrize(
    "name", ["socket_power", "System Power (W)", "cpu_package_power_w", "PSU1 Input Power (W)"]
)
def test_what_may_be_another_part_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(ObservationError, match=r"rename it.*nvidia-smi --query-gpu"):
        read(tmp_path, f"timestamp,{name}", ["{at},300"] * 20)


def test_serial_numbers_are_of_any_size(tmp_path: Path) -> None:
    rows = [
        f"{BEGIN + s},{serial},{watts}"
        for s in range(20)
        for serial, watts in ((1654922, 300), (1654923, 200))
    ]
    log = read(tmp_path, "timestamp,gpu_serial,power_w", rows)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(5000)


@pytest.mark.parametrize("header", ["index,timestamp,power_w", ",timestamp,power_w"])
def test_numbers_of_rows_are_no_gpus(tmp_path: Path, header: str) -> None:
    log = read(tmp_path, header, [f"{second},{{at}},300" for second in range(20)])
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)


def test_a_column_without_a_name_may_hold_the_moments(tmp_path: Path) -> None:
    log = read(tmp_path, ",power_w", ["{at},300"] * 20)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)


@pytest.mark.parametrize(("step", "joules"), [(100, 3000.0), (3600, None), (1e9, None)])
def test_a_counter_that_steps_by_much_of_the_run_is_refused(
    tmp_path: Path, step: float, joules: float | None
) -> None:
    """300 W, counted in whole steps: 3,600 J are the thousandth of a kilowatt-hour."""
    rows = [f"{BEGIN + s / 10},{(30 * s) // step * step}" for s in range(200)]
    if joules is None:
        with pytest.raises(ObservationError, match="log watts, or run for longer"):
            read(tmp_path, "timestamp,energy [J]", rows).joules(BEGIN + 5, 10)
        return
    found = read(tmp_path, "timestamp,energy [J]", rows).joules(BEGIN + 5, 10)
    assert found == pytest.approx(joules, rel=0.05)


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
        read(tmp_path, "timestamp,power_w", [*["{at},300"] * 20, "2026/03"])


def test_a_gap_in_the_run_is_told_with_its_place(tmp_path: Path) -> None:
    rows = [f"{BEGIN + s},300" for s in (*range(5), *range(30, 40))]
    log = read(tmp_path, "timestamp,power_w", rows)
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


def test_a_last_row_that_is_cut_off_is_left_out_and_told(tmp_path: Path) -> None:
    header, torn = "timestamp, index, power.draw [W]", "2026/03/01 12:0"
    rows = ["{at}, 0, 300.00 W"] * 20
    with pytest.raises(ObservationError, match="row 22: Expected 3 cells, got 1"):
        read(tmp_path, header, [*rows, torn])
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
        read(tmp_path, "timestamp,power_w", rows)


def test_logs_that_were_put_together_in_any_order_are_read(tmp_path: Path) -> None:
    stretches = [range(10, 20), range(0, 10), range(20, 30)]
    rows = [f"{BEGIN + second},{300}" for stretch in stretches for second in stretch]
    log = read(tmp_path, "timestamp,power_w", rows)
    assert log.joules(BEGIN + 5, 20) == pytest.approx(6000)
    assert read(tmp_path, "timestamp,power_w", rows[::-1]).joules(BEGIN + 5, 20) == 6000


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Time_Of_Day_Seconds\tBusy%\tPkgWatt\tCorWatt\tGFXWatt", "{at}\t3.0\t100\t300\t0.3"),
        ("time,Instantaneous power reading", "{at},300 Watts"),
        ("time,Average power reading over sample period", "{at},300 Watts"),
        ("Time,DominanceFilter,Active Power (W),Apparent Power (VA)", "{at},3,300,640"),
        ("Time,DominanceFilter 1 Power (W)", "{at},300"),
        ("Time,Power (W),Voltage (V),Current (A)", "{at},300,230,1.3"),
        ("Time,Active Power (W),Energy [J]", "{at},300,{joules}"),
        ("Time,power,voltage,current,energy_kwh", "{at},300,230,1.3,0.{joules}"),
    ],
)
def test_what_a_processor_or_a_whole_machine_draws_is_no_gpus(
    tmp_path: Path, header: str, row: str
) -> None:
    with pytest.raises(ObservationError, match="not what GPUs draw by the name"):
        joules(tmp_path, header, row)


def test_series_of_several_gpus_are_distinguished_by_their_label(tmp_path: Path) -> None:
    names = [
        f'"power_watts{{Hostname=""n"", gpu=""{gpu}"", modelName=""L40S""}}"' for gpu in (0, 1)
    ]
    log = read(tmp_path, ",".join(["Time", *names]), ["{at},100,200"] * 20)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)
    twice = ",".join(["Time", names[0], names[0].replace('""n""', '""m""')])
    with pytest.raises(ObservationError, match="one for each GPU by its number"):
        read(tmp_path, twice, ["{at},100,200"] * 20)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"data": {"result": []}}', "got JSON"),
        (b'[{"timestamp": 1}]', "got JSON"),
        (b"\x1f\x8b\x08\0", "gunzip it first"),
        (b"PK\x03\x04\x14\0", "save the table as CSV"),
        (b"PAR1\x15\0", "Parquet"),
    ],
)
def test_a_file_that_is_no_table_says_what_it_is(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "power.csv").write_bytes(content)
    with pytest.raises(ObservationError, match=told):
        read_power_log(tmp_path / "power.csv", UNIVERSAL)
