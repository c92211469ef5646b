"""Of which GPUs the readings of a log of power are."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.errors import ObservationError
from tests.profiler.importers.power_logs import BEGIN, read_log


@pytest.mark.parametrize(
    "header", ["timestamp,gpu0_power_w,gpu1_power_w", "timestamp,GPU 0 Power (W),GPU 1 Power (W)"]
)
def test_a_column_for_each_gpu_is_read(tmp_path: Path, header: str) -> None:
    log = read_log(tmp_path, header, ["{at},300,400"] * 20)
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
def test_rows_of_two_gpus_are_distinguished(tmp_path: Path, column: str, names: list[str]) -> None:
    rows = [f"{BEGIN + s},{gpu},{300 + 100 * n}" for s in range(20) for n, gpu in enumerate(names)]
    log = read_log(tmp_path, f"timestamp,{column},power_w", rows)
    assert list(log.readings) == list(names)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(7000)


def test_the_sum_of_all_gpus_is_said_to_be_one(tmp_path: Path) -> None:
    log = read_log(tmp_path, "timestamp,total_power_w", ["{at},700"] * 20)
    assert log.summed
    assert log.notes == ("power.csv: total_power_w is taken as the sum of all GPUs",)


def test_two_readings_a_moment_need_a_column_that_distinguishes_gpus(tmp_path: Path) -> None:
    rows = [f"{BEGIN + second // 2},300" for second in range(40)]
    with pytest.raises(ObservationError, match="nothing to tell GPUs apart"):
        read_log(tmp_path, "timestamp,power_w", rows)


def test_readings_in_bursts_are_of_several_gpus(tmp_path: Path) -> None:
    rows = [f"{BEGIN + s + 0.003 * gpu:.3f},{300 + 100 * gpu}" for s in range(20) for gpu in (0, 1)]
    with pytest.raises(ObservationError, match="bursts, as of several GPUs"):
        read_log(tmp_path, "timestamp,power_w", rows)


def test_a_column_that_is_no_gpu_is_read_too_seldom_to_be_one(tmp_path: Path) -> None:
    rows = [f"{{at}},{40 if second % 10 else 41},300" for second in range(20)]
    with pytest.raises(ObservationError, match="is that what tells GPUs apart"):
        read_log(tmp_path, "timestamp,gpu,power_w", rows)


def test_a_gpu_without_a_reading_is_not_forgotten(tmp_path: Path) -> None:
    rows = [f"{BEGIN + s},{gpu},{'[N/A]' if gpu else 300}" for s in range(20) for gpu in (0, 1)]
    with pytest.raises(ObservationError, match="readings or more of GPU 1, got 0"):
        read_log(tmp_path, "timestamp,index,power.draw [W]", rows)


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
    log = read_log(tmp_path, f"timestamp,{name}", ["{at},300"] * 20)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)


def test_serial_numbers_are_of_any_size(tmp_path: Path) -> None:
    rows = [
        f"{BEGIN + s},{serial},{watts}"
        for s in range(20)
        for serial, watts in ((1654922, 300), (1654923, 200))
    ]
    log = read_log(tmp_path, "timestamp,gpu_serial,power_w", rows)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(5000)


@pytest.mark.parametrize("header", ["index,timestamp,power_w", ",timestamp,power_w"])
def test_numbers_of_rows_are_no_gpus(tmp_path: Path, header: str) -> None:
    log = read_log(tmp_path, header, [f"{second},{{at}},300" for second in range(20)])
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)


def test_series_of_several_gpus_are_distinguished_by_their_label(tmp_path: Path) -> None:
    names = [
        f'"power_watts{{Hostname=""n"", gpu=""{gpu}"", modelName=""L40S""}}"' for gpu in (0, 1)
    ]
    log = read_log(tmp_path, ",".join(["Time", *names]), ["{at},100,200"] * 20)
    assert log.joules(BEGIN + 5, 10) == pytest.approx(3000)
    twice = ",".join(["Time", names[0], names[0].replace('""n""', '""m""')])
    with pytest.raises(ObservationError, match="one for each GPU by its number"):
        read_log(tmp_path, twice, ["{at},100,200"] * 20)
