"""Which columns of a log of power are read, and in which units."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.errors import ObservationError
from tests.profiler.importers.power_logs import BEGIN, joules_of, read_log


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
    assert joules_of(tmp_path, header, row) == pytest.approx(3000)


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
    log = read_log(tmp_path, f"timestamp,{header}", rows)
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
def test_a_column_without_a_clear_quantity_or_unit_is_refused(
    tmp_path: Path, header: str, row: str, said: str
) -> None:
    with pytest.raises(ObservationError, match=said):
        joules_of(tmp_path, header, row)


def test_cells_with_and_without_units_are_refused_unless_the_header_has_one(
    tmp_path: Path,
) -> None:
    rows = ["{at},300000 mW", "{at},300"] * 10
    with pytest.raises(ObservationError, match="Expected a unit"):
        read_log(tmp_path, "timestamp,power", rows)
    log = read_log(tmp_path, "timestamp,power [W]", rows)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)
    assert log.notes == ("power.csv: cells of power [W] are in mW, which is taken",)


def test_joules_of_intervals_are_no_counter(tmp_path: Path) -> None:
    rows = [f"{{at}},{300 + second % 3}" for second in range(20)]
    with pytest.raises(ObservationError, match="log watts"):
        read_log(tmp_path, "timestamp,energy_j", rows)


def test_what_was_taken_and_assumed_is_said(tmp_path: Path) -> None:
    header = "timestamp,power.limit [W],power.draw,power.draw.instant"
    log = read_log(tmp_path, header, ["{at},700,300,500"] * 20)
    assert log.notes == (
        "power.csv: power.draw is what was drawn; not read: power.draw.instant, power.limit [W]",
        "power.csv: power.draw names no unit, taken as W",
    )


@pytest.mark.parametrize(
    "name", ["socket_power", "System Power (W)", "cpu_package_power_w", "PSU1 Input Power (W)"]
)
def test_what_may_be_another_part_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(ObservationError, match=r"rename it.*nvidia-smi --query-gpu"):
        read_log(tmp_path, f"timestamp,{name}", ["{at},300"] * 20)


def test_a_column_without_a_name_may_hold_the_moments(tmp_path: Path) -> None:
    log = read_log(tmp_path, ",power_w", ["{at},300"] * 20)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)


@pytest.mark.parametrize(("step", "joules"), [(100, 3000.0), (3600, None), (1e9, None)])
def test_a_counter_that_steps_by_much_of_the_run_is_refused(
    tmp_path: Path, step: float, joules: float | None
) -> None:
    """300 W, counted in whole steps: 3,600 J are the thousandth of a kilowatt-hour."""
    rows = [f"{BEGIN + s / 10},{(30 * s) // step * step}" for s in range(200)]
    if joules is None:
        with pytest.raises(ObservationError, match="log watts, or run for longer"):
            read_log(tmp_path, "timestamp,energy [J]", rows).joules(BEGIN + 5, 10)
        return
    found = read_log(tmp_path, "timestamp,energy [J]", rows).joules(BEGIN + 5, 10)
    assert found == pytest.approx(joules, rel=0.05)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Time_Of_Day_Seconds\tBusy%\tPkgWatt\tCorWatt\tGFXWatt", "{at}\t3.0\t100\t300\t0.3"),
        ("time,Instantaneous power reading", "{at},300 Watts"),
        ("time,Average power reading over sample period", "{at},300 Watts"),
        ("Time,Outlet,Active Power (W),Apparent Power (VA)", "{at},3,300,640"),
        ("Time,Outlet 1 Power (W)", "{at},300"),
        ("Time,Power (W),Voltage (V),Current (A)", "{at},300,230,1.3"),
        ("Time,Active Power (W),Energy [J]", "{at},300,{joules}"),
        ("Time,power,voltage,current,energy_kwh", "{at},300,230,1.3,0.{joules}"),
    ],
)
def test_what_a_processor_or_a_whole_machine_draws_is_no_gpus(
    tmp_path: Path, header: str, row: str
) -> None:
    with pytest.raises(ObservationError, match="not what GPUs draw by the name"):
        joules_of(tmp_path, header, row)
