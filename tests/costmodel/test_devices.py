"""Published figures of accelerators."""

import pytest

from costmodel.devices import accelerators, known_accelerators
from costmodel.errors import NameRefusedError
from costmodel.names import device_name


@pytest.mark.parametrize(
    ("device", "watts"),
    [
        *(("1xl4", [72]), ("1xl40s", [350]), ("1xt4", [70]), ("1xtesla-t4", [70])),
        *(("1xa100-sxm4-40gb", [400]), ("4xa100-sxm4-80gb", [400]), ("1xa100-pcie-40gb", [300])),
        *(("1xa100-80gb", [400, 300]), ("8xh100", [700, 350, 400]), ("1xh100-nvl", [400])),
        *(("1xh100-80gb-hbm3", [700]), ("2xb200-tp1-ep2-dp1", [1000]), ("1xv100-pcie-16gb", [250])),
        *(("1xgeforce-rtx-4090", [450]), ("1xrtx4090", [450]), ("1xrtx-3080ti", [350])),
        *(("1xrtx-6000-ada-generation", [300]), ("1xmi300x", [750]), ("m1-pro", [96])),
        *(("1xamd-radeon-rx-7900-xtx", [355]), ("m3-max", [140]), ("1xjetson-agx-orin", [60])),
        *(("1xgaudi3", [900]), ("1xcpu-core", []), ("1xa1000", []), ("m9-ultra", [])),
    ],
)
def test_a_device_is_found_by_its_name_and_by_all_forms_that_it_leaves_open(device, watts):
    assert [one.watts for one in accelerators(device)] == watts


def test_drivers_names_are_found():
    for driver, watts in (("NVIDIA A100-SXM4-40GB", 400), ("NVIDIA GeForce RTX 3090", 350)):
        assert [one.watts for one in accelerators(device_name(1, driver))] == [watts]


def test_every_row_has_a_plausible_figure_and_its_source():
    known = known_accelerators()
    assert len({(one.name, one.forms) for one in known}) == len(known) >= 80
    for one in known:
        assert 30 <= one.watts <= 1500
        assert one.source
        assert one in accelerators(one.name if one.name.startswith("m1") else f"1x{one.name}") or (
            one.source.startswith("Apple")
        )


def test_what_is_no_device_is_refused():
    with pytest.raises(NameRefusedError):
        accelerators("H100")
