"""Intel's and AMD's RAPL counters under the powercap folder: packages and memory.

Counters are in microjoules and wrap at `max_energy_range_uj` (every few minutes under load), so a
thread reads them every second and adds up the differences. Linux kernel
documentation, power/powercap.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from profiler.errors import MeterError
from profiler.meters.meter import Joules, Mark, Meter
from profiler.meters.sampling import Sampler

POWERCAP = Path("/sys/class/powercap")
PERIOD_S = 1.0
_MICRO = 1e-6


@dataclass(frozen=True)
class Domain:
    """One counter.

    Attributes
    ----------
    name
        Name such as ``package-0`` or ``package-0/dram``.
    energy, wraps_at
        File of its energy, and the microjoules at which it starts again.
    """

    name: str
    energy: Path
    wraps_at: int


class RaplMeter(Meter):
    """Joules of the processor's packages and of their memory.

    Parameters
    ----------
    root
        The powercap folder.
    """

    scope = "gpu+cpu"

    def __init__(self, root: Path = POWERCAP) -> None:
        self._root = root
        self._domains: list[Domain] = []
        self._last: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._lock = threading.Lock()
        self._sampler = Sampler(self._sample, PERIOD_S)

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "rapl"

    def open(self) -> None:
        """Find the counters and begin to follow them."""
        self._domains = find_domains(self._root)
        self._last = {domain.name: _read(domain) for domain in self._domains}
        self._total = dict.fromkeys(self._last, 0)
        self._sampler.start()

    def close(self) -> None:
        """Stop following."""
        self._sampler.stop()

    def counters(self) -> Mapping[str, int | float]:
        """Microjoules since `open` by domain, wraps undone."""
        self._sampler.check()
        self._sample()
        with self._lock:
            return dict(self._total)

    def _sample(self) -> None:
        with self._lock:
            for domain in self._domains:
                value, last = _read(domain), self._last[domain.name]
                # A counter that runs back has started again at zero.
                self._total[domain.name] += value - last + (domain.wraps_at if value < last else 0)
                self._last[domain.name] = value

    def _between(self, begin: Mark, end: Mark) -> Joules:
        microjoules = sum(value - begin.counters[name] for name, value in end.counters.items())
        return Joules(cpu_j=microjoules * _MICRO)


def find_domains(root: Path) -> list[Domain]:
    """Find the packages' and the memories' counters; cores and graphics are parts of a package.

    Parameters
    ----------
    root
        The powercap folder.

    Returns
    -------
    list of Domain
        One domain or more.

    Raises
    ------
    MeterError
        If the machine has no such counter, or it may not be read.
    """
    domains = []
    for folder in sorted(root.glob("intel-rapl:*")):
        kind = (folder / "name").read_text().strip() if (folder / "name").exists() else ""
        if kind.startswith("package") and folder.name.count(":") == 1:
            domains.append(_domain(kind, folder))
        elif kind == "dram":
            parent = root / folder.name.rsplit(":", 1)[0]
            domains.append(_domain(f"{(parent / 'name').read_text().strip()}/dram", folder))
    if not domains:
        raise MeterError(f"Expected RAPL counters in {root}, got none: choose another --meter.")
    return domains


def _domain(name: str, folder: Path) -> Domain:
    try:
        wraps_at = int((folder / "max_energy_range_uj").read_text())
    except (OSError, ValueError) as error:
        raise MeterError(f"Expected the range of {folder.name}'s counter, got {error}.") from None
    return Domain(name, folder / "energy_uj", wraps_at)


def _read(domain: Domain) -> int:
    try:
        return int(domain.energy.read_text())
    except PermissionError:
        msg = (
            f"Expected to be allowed to read {domain.energy}, got a refusal: run as root, or let "
            "the user read it (a container needs it mounted and readable)."
        )
        raise MeterError(msg) from None
    except (OSError, ValueError) as error:
        raise MeterError(f"Expected microjoules in {domain.energy}, got {error}.") from None
