"""Units as headers and cells write them."""

import pytest

from profiler.units import ENERGY, POWER, TIME, UnitError, header_units, name_words, read_quantity


@pytest.mark.parametrize(
    ("name", "dimension", "scales"),
    [
        *(
            ("power.draw [W]", POWER, [1]),
            ("Power (kW)", POWER, [1e3]),
            ("power_mw", POWER, [1e-3]),
        ),
        *(("POWER_MW", POWER, [1e-3]), ("power [MW]", POWER, [1e6]), ("power", POWER, [])),
        *(
            ("gpu_power_milliwatts", POWER, [1e-3]),
            ("watts", POWER, [1]),
            ("powerKw", POWER, [1e3]),
        ),
        *(("DCGM_FI_DEV_POWER_USAGE", POWER, []), ("Power (GPU 0)", POWER, [])),
        *(("energy_kWh", ENERGY, [3.6e6]), ("energy_wh", ENERGY, [3600]), ("joules", ENERGY, [1])),
        *(("energy_uj", ENERGY, [1e-6]), ("energy (\u00b5J)", ENERGY, [1e-6])),
        *(("energy_mj", ENERGY, [1e-3, 1e6]), ("ENERGY_MJ", ENERGY, [1e-3, 1e6])),
        *(("energy [mJ]", ENERGY, [1e-3]), ("energy [MJ]", ENERGY, [1e6])),
        *(("energy_watt_hours", ENERGY, [3600]), ("energy_millijoules", ENERGY, [1e-3])),
        *(("latency_ms", TIME, [1e-3]), ("seconds", TIME, [1]), ("e2e (msec)", TIME, [1e-3])),
        *(("runtime_minutes", TIME, [60]), ("runtime", TIME, [])),
    ],
)
def test_a_header_names_its_unit(name, dimension, scales):
    assert [one.scale for one in header_units(name, dimension)] == pytest.approx(scales)


@pytest.mark.parametrize(
    ("name", "dimension"),
    [
        *(("power_mw [W]", POWER), ("power [%]", POWER), ("power [J]", POWER), ("temp (C)", POWER)),
        *(("power_w", ENERGY), ("energy [W]", ENERGY), ("latency_ms", ENERGY), ("energy_j", TIME)),
    ],
)
def test_a_unit_of_another_kind_or_two_of_them_are_refused(name, dimension):
    with pytest.raises(UnitError, match="Expected"):
        header_units(name, dimension)


@pytest.mark.parametrize(
    ("cell", "dimension", "value"),
    [
        *(("300.00 W", POWER, 300), ("300000 mW", POWER, 300), ("0.3kW", POWER, 300)),
        *((" 3e2 ", POWER, 300), ("300 Watts", POWER, 300), ("3e8 uW", POWER, 300)),
        *(("1.5 kJ", ENERGY, 1500), ("2 Wh", ENERGY, 7200), ("0.5 kWh", ENERGY, 1.8e6)),
        *(("5 MJ", ENERGY, 5e6), ("5 mJ", ENERGY, 5e-3), ("250 ms", TIME, 0.25)),
    ],
)
def test_a_cell_is_a_number_with_its_unit(cell, dimension, value):
    number, unit = read_quantity(cell, dimension)
    assert number * (unit.scale if unit else 1.0) == pytest.approx(value)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        *(
            ("", "Expected W"),
            ("300 %", "a unit"),
            ("300 J", "Expected W"),
            ("300,5", "decimal point"),
        ),
        *(("1,300.5 W", "decimal point"), ("300 VA", "a unit"), ("nan", "Expected W")),
        *(
            ("N/A", "Expected W"),
            ("3 0 0", "Expected W"),
            ("300 W 5", "a unit"),
            ("1 2", "Expected W"),
        ),
    ],
)
def test_a_cell_that_is_no_power_is_refused(cell, said):
    with pytest.raises(UnitError, match=said):
        read_quantity(cell, POWER)


def test_a_name_is_its_words():
    assert name_words("GPU0 Power.draw [W]") == ["gpu", "0", "power", "draw"]
    assert name_words("Power (GPU 3)") == ["power", "gpu", "3"]
    assert name_words("gpu [%]") == ["gpu"]


@pytest.mark.parametrize(
    ("name", "dimension", "symbols"),
    [
        ("energy_mJ", "energy", ["mJ"]),
        ("total_energy_mWh", "energy", ["mWh"]),
        ("energy_mj", "energy", ["mJ", "MJ"]),
        ("ENERGY_MJ", "energy", ["mJ", "MJ"]),
        ("latency_millis", "time", ["ms"]),
        ("latency_micros", "time", ["us"]),
        ("duration_mins", "time", ["min"]),
    ],
)
def test_units_in_names_are_those_that_nobody_writes_otherwise(name, dimension, symbols):
    assert [one.symbol for one in header_units(name, dimension)] == symbols


@pytest.mark.parametrize("cell", ["0:00:02", "0 days 00:00:02.5"])
def test_a_duration_by_the_clock_is_refused_with_what_to_write(cell):
    with pytest.raises(UnitError, match="Write a duration as one number"):
        read_quantity(cell, "time")
