"""Joules and seconds of foreign tables, in whatever unit they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.errors import ObservationError, UnusableInputError
from profiler.importers.column_map import import_csv
from profiler.observations import Observations
from tests.profiler.foreign_tables import CONSTANTS


def imported(
    folder: Path, energy: str, cell: str, seconds: str = "seconds", runtime: str = "2", **units: str
) -> tuple[Observations, list[str]]:
    """Import three trials of 60 W: 60 J in two seconds, two at a time."""
    path = folder / "mine.csv"
    path.write_text("\n".join([f"{seconds},{energy}", *[f"{runtime},{cell}"] * 3]))
    renamed = {"runtime_s": seconds, "energy_gpu_j": energy}
    return import_csv(path, renamed, CONSTANTS, units)


@pytest.mark.parametrize(
    ("energy", "cell"),
    [
        *(("joules", "60"), ("energy_mJ", "60000"), ("ENERGY_MJ", "60000"), ("energy_mj", "6e-5")),
        *(("energy [mJ]", "60000"), ("energy [MJ]", "6e-5"), ("energy (µJ)", "6e7")),
        *(("energy_uj", "6e7"), ("energy_kwh", repr(60 / 3.6e6)), ("energy [Wh]", repr(60 / 3600))),
        *(("energy", "60 J"), ("energy", "0.06 kJ"), ("energy", "60000 mJ"), ("energy_kj", "60 J")),
        *(("energy [Ws]", "60"), ("energy_kws", "0.06"), ("Energy (watt-seconds)", "60")),
        *(("energy", "60"), ("energy_per_request_joules", "60"), ("energy_gpu_j", "60")),
    ],
)
def test_joules_are_read_in_their_unit(tmp_path: Path, energy: str, cell: str) -> None:
    trials, _ = imported(tmp_path, energy, cell)
    assert trials.energy_gpu_j.tolist() == pytest.approx([60.0] * 3)


@pytest.mark.parametrize(
    ("seconds", "runtime"),
    [
        ("latency_ms", "2000"),
        ("e2el [ms]", "2000"),
        ("latency", "2000 ms"),
        ("minutes", "0.03333333"),
    ],
)
def test_seconds_are_read_in_their_unit(tmp_path: Path, seconds: str, runtime: str) -> None:
    trials, _ = imported(tmp_path, "joules", "60", seconds, runtime)
    assert trials.runtime_s.tolist() == pytest.approx([2.0] * 3)


def test_the_user_says_what_the_file_does_not(tmp_path: Path) -> None:
    trials, _ = imported(tmp_path, "joules", "60000", energy_gpu_j="mJ")
    assert trials.energy_gpu_j.tolist() == pytest.approx([60.0] * 3)
    trials, _ = imported(tmp_path, "joules", "60", "latency", "2000", runtime_s="ms")
    assert trials.runtime_s.tolist() == pytest.approx([2.0] * 3)


@pytest.mark.parametrize(
    ("energy", "cell", "said"),
    [
        ("joules", "60000", r"millijoules \(60 W\)"),
        ("joules", "0.06", r"kilojoules \(60 W\)"),
        ("energy_mj", "60", "may mean mJ or MJ"),
        ("power_w", "60", "Expected energy"),
        ("energy_mj [J]", "60", "Expected one unit in the name"),
        ("joules_per_token", "2", "those of a token"),
        ("energy", "60 W", "Expected J"),
        ("energy", "much", "Expected J"),
        ("energy", '"60,5"', "decimal point"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, energy: str, cell: str, said: str) -> None:
    with pytest.raises(ObservationError, match=said):
        imported(tmp_path, energy, cell)


def test_a_unit_that_is_none_is_refused(tmp_path: Path) -> None:
    for name, unit in (("energy_gpu_j", "horses"), ("energy_gpu_j", "W"), ("runtime_s", "mJ")):
        with pytest.raises(UnusableInputError, match="Expected"):
            imported(tmp_path, "joules", "60", **{name: unit})


def test_what_was_assumed_is_said(tmp_path: Path) -> None:
    assert imported(tmp_path, "energy", "60")[1] == ["mine.csv: energy names no unit, taken as J"]
    assert imported(tmp_path, "joules", "60")[1] == []
    assert imported(tmp_path, "energy_mj", "60000")[1] == [
        "mine.csv: energy_mj is taken as mJ: only so can it be"
    ]


def test_cells_with_and_without_units_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("seconds,energy\n2,60 J\n2,60000\n")
    renamed = {"runtime_s": "seconds", "energy_gpu_j": "energy"}
    with pytest.raises(ObservationError, match="a cell without one"):
        import_csv(path, renamed, CONSTANTS)


@pytest.mark.parametrize(
    ("seconds", "runtime"),
    [("latency_millis", "2000"), ("latency_micros", "2e6"), ("total_duration [ns]", "2e9")],
)
def test_seconds_in_thousandths_are_read(tmp_path: Path, seconds: str, runtime: str) -> None:
    trials, _ = imported(tmp_path, "joules", "60", seconds, runtime)
    assert trials.runtime_s.tolist() == pytest.approx([2.0] * 3)


@pytest.mark.parametrize(
    ("runtime", "option"), [("2000", "ms"), ("2e6", "us"), ("2e9", "ns"), ("0.0333", "min")]
)
def test_seconds_in_another_unit_are_refused_with_the_option(
    tmp_path: Path, runtime: str, option: str
) -> None:
    with pytest.raises(ObservationError, match=f"--unit runtime_s={option}"):
        imported(tmp_path, "joules", "60", "latency", runtime)


@pytest.mark.parametrize(
    "name",
    [
        *("J/token", "Energy (J/token)", "energy_per_token", "wh_per_1k_tokens"),
        *("tokens_per_joule", "joules per tok"),
    ],
)
def test_joules_of_a_token_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ObservationError, match="those of a token"):
        imported(tmp_path, name, "60")


@pytest.mark.parametrize("name", ["tpot_ms", "mean_itl_ms", "mean_ttft_ms", "ms_per_token"])
def test_seconds_of_a_token_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ObservationError, match="those of a token"):
        imported(tmp_path, "joules", "60", name, "20")


@pytest.mark.parametrize(
    ("energy", "seconds", "runtime", "said"),
    [
        ("total_energy_j", "latency_s", "2", "total_energy_j is taken as that of one request"),
        ("joules", "p99_latency_ms", "2000", "p99_latency_ms is taken as a mean"),
        ("joules", "latency_min", "0.033333", "latency_min is taken as in min"),
    ],
)
def test_what_a_name_may_mean_beside_is_reported(
    tmp_path: Path, energy: str, seconds: str, runtime: str, said: str
) -> None:
    _, notes = imported(tmp_path, energy, "60", seconds, runtime)
    assert any(said in note for note in notes)


def test_decimal_commas_of_a_spreadsheet_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("latency (ms);energy (J)\n2000,0;60,00\n2000,5;60\n1.999,5;60,0\n")
    renamed = {"runtime_s": "latency (ms)", "energy_gpu_j": "energy (J)"}
    trials, notes = import_csv(path, renamed, CONSTANTS)
    assert trials.energy_gpu_j.tolist() == pytest.approx([60.0] * 3)
    assert trials.runtime_s.tolist() == pytest.approx([2.0, 2.0005, 1.9995])
    assert notes == []


def test_a_zero_without_a_unit_among_units_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("seconds,energy\n2,60 J\n2,0\n")
    renamed = {"runtime_s": "seconds", "energy_gpu_j": "energy"}
    with pytest.raises(ObservationError, match="got a cell without one"):
        import_csv(path, renamed, CONSTANTS)


def test_a_table_of_decimal_commas_parts_thousands_with_points(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("prompt;seconds;energy (J)\n1.024;2,5;75,000\n2.048;2,5;75,125\n")
    renamed = {"input_tokens": "prompt", "runtime_s": "seconds", "energy_gpu_j": "energy (J)"}
    trials, _ = import_csv(
        path, renamed, {name: text for name, text in CONSTANTS.items() if name != "input_tokens"}
    )
    assert trials.input_tokens.tolist() == [1024.0, 2048.0]
    assert trials.runtime_s.tolist() == [2.5, 2.5]
    assert trials.energy_gpu_j.tolist() == [75.0, 75.125]


@pytest.mark.parametrize(
    "energy", ["Energy (cal)", "energy [kcal]", "Energy (BTU)", "energy_kcal", "energy (kVAh)"]
)
def test_units_that_nobody_converts_are_refused_whatever_they_would_give(
    tmp_path: Path, energy: str
) -> None:
    with pytest.raises(ObservationError, match="Expected a unit such as"):
        imported(tmp_path, energy, "30")
