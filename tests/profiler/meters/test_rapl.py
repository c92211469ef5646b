"""The RAPL reader on a folder laid out as the kernel's, with counters that wrap."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from profiler.errors import MeterError
from profiler.meters.combined import CombinedMeter
from profiler.meters.rapl import RaplMeter, find_domains

RANGE_UJ = 50_000_000


class Powercap:
    """Two packages, one with memory, a core domain within it, and a platform domain."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder, name in (
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "package-1"),
            ("intel-rapl:2", "psys"),
        ):
            (root / folder).mkdir()
            (root / folder / "name").write_text(f"{name}\n")
            (root / folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
            self.set(folder, 0)

    def set(self, folder: str, microjoules: int) -> None:
        fresh = self.root / folder / ".energy"
        fresh.write_text(f"{microjoules % RANGE_UJ}\n")
        fresh.replace(self.root / folder / "energy_uj")


@pytest.fixture
def powercap(tmp_path: Path) -> Powercap:
    return Powercap(tmp_path)


def test_packages_and_memory_are_counted_and_their_parts_are_not(powercap: Powercap) -> None:
    names = [domain.name for domain in find_domains(powercap.root)]
    assert names == ["package-0", "package-0/dram", "package-1"]


def test_joules_are_right_over_wraps_and_steps_in_power(powercap: Powercap) -> None:
    with RaplMeter(powercap.root) as meter:
        begin, total = meter.mark(), 0.0
        for step in range(30):
            total += 4.0 if step < 15 else 19.0
            for folder in ("intel-rapl:0", "intel-rapl:1"):
                powercap.set(folder, round(total * 1e6))
            meter.counters()
        end = meter.mark()
        joules = meter.between(begin, end)
    assert total > 2 * RANGE_UJ / 1e6
    assert joules.gpu_j is None
    assert joules.cpu_j == pytest.approx(2 * total, rel=1e-9)


class WatchedMeter(RaplMeter):
    """A meter that can be waited for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._sampled = threading.Event()

    def _sample(self) -> None:
        super()._sample()
        self._sampled.set()

    def wait_for_thread(self) -> None:
        # The first to end may have begun before.
        for _ in range(2):
            self._sampled.clear()
            assert self._sampled.wait(60.0)


def test_a_wrap_between_two_marks_is_seen_by_the_thread(
    powercap: Powercap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.meters.rapl.PERIOD_S", 0.05)
    with WatchedMeter(powercap.root) as meter:
        begin = meter.mark()
        powercap.set("intel-rapl:0", 40_000_000)
        meter.wait_for_thread()
        powercap.set("intel-rapl:0", 80_000_000)
        joules = meter.between(begin, meter.mark())
    assert joules.cpu_j == pytest.approx(80.0)


def test_counters_that_stand_still_are_refused(powercap: Powercap) -> None:
    with RaplMeter(powercap.root) as meter, pytest.raises(MeterError, match="0 J"):
        meter.between(meter.mark(), meter.mark())


def test_a_machine_without_counters_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MeterError, match="RAPL counters"), RaplMeter(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_counter_that_may_not_be_read_is_reported(powercap: Powercap) -> None:
    (powercap.root / "intel-rapl:1" / "energy_uj").chmod(0)
    with pytest.raises(MeterError, match="allowed"), RaplMeter(powercap.root):
        pass


def test_two_meters_of_the_same_part_are_refused(powercap: Powercap) -> None:
    with CombinedMeter([RaplMeter(powercap.root), RaplMeter(powercap.root)]) as meter:
        begin = meter.mark()
        powercap.set("intel-rapl:0", 40_000_000)
        end = meter.mark()
        with pytest.raises(MeterError, match="one meter for each part"):
            meter.between(begin, end)
