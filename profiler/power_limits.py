"""What a device can draw: the watts published of it, with what meters and makers are off by.

Accelerators keep their limit within a few per cent over seconds, and one that serves draws much
more than nothing; units and counts go wrong by factors of 3.6, 8 or 1,000. So what lies beyond
`MAX_POWER_SHARE` of the published watts, or below `MIN_POWER_SHARE`, was not measured, but misread.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.devices import accelerators
from costmodel.names import device_num_gpus
from costmodel.provenance import GPU

MAX_POWER_SHARE = 1.35
"""Largest share of the published watts: makers of cards raise limits, and meters are off by some
per cent."""
MIN_POWER_SHARE = 0.02
"""Least share of the published watts. Cards idle at 3 to 20 % of theirs."""
COUNTER_LAG_S = 0.2
"""An energy counter is behind by up to that much, which matters in short windows."""
MAX_LAG_RATIO = 3.0
HOST_W = 1500.0
"""Power beside the accelerators, in scopes that hold more: processors, memory, fans."""
UNKNOWN_W = (0.5, 3000.0)
"""Bounds on one accelerator of which nothing is published."""


@dataclass(frozen=True)
class PowerRange:
    """What a device can draw.

    Attributes
    ----------
    device
        Name of the device.
    low, high
        Bounds on the power of all its accelerators, and the host where the scope holds it [W].
    published
        What they rest on.
    """

    device: str
    low: float
    high: float
    published: str

    def problem(self, watts: float, seconds: float) -> str | None:
        """Say why a power cannot be; None where it can.

        Parameters
        ----------
        watts, seconds
            The same as of `side`.
        """
        side = self.side(watts, seconds)
        if not side:
            return None
        high, low = (shown_watts(bound) for bound in (self.high, self.low))
        bound = f"at most {high}" if side > 0 else f"at least {low}"
        return f"Expected {bound} of {self.device} ({self.published}), got {shown_watts(watts)}"

    def side(self, watts: float, seconds: float) -> int:
        """Return 1 for a power above, -1 for one below, 0 for one that can be.

        Parameters
        ----------
        watts
            Mean power over the window [W].
        seconds
            Seconds that a request took: the shorter, the further an energy counter may be off.
        """
        coarse = min(MAX_LAG_RATIO, 1.0 + COUNTER_LAG_S / seconds)
        return int(watts > self.high * coarse) - int(watts * coarse < self.low)

    def off(self, watts: float) -> float:
        """Return by which factor a power lies outside; 1 inside."""
        return max(1.0, watts / self.high, self.low / max(watts, 1e-30))


def limits(device: str, scope: str = GPU) -> PowerRange:
    """Return what a device can draw in an energy scope.

    Examples
    --------
    >>> limits("1xl4").published
    '72 W by NVIDIA L4 datasheet'
    """
    count, boards = device_num_gpus(device), accelerators(device)
    if not boards:
        low, high = (count * watts for watts in UNKNOWN_W)
        return PowerRange(device, low, high, "nothing is published of it")
    strongest = max(boards, key=lambda one: one.watts)
    times = f"{count} x " if count > 1 else ""
    host = 0.0 if scope == GPU else HOST_W + (count - 1) * strongest.watts / 2
    beside = "" if scope == GPU else f" and {host:.0f} W of its host"
    return PowerRange(
        device,
        MIN_POWER_SHARE * count * min(one.watts for one in boards),
        MAX_POWER_SHARE * count * strongest.watts + host,
        f"{times}{strongest.watts:g} W by {strongest.source}{beside}",
    )


def shown_watts(watts: float) -> str:
    """Write a power as people say it.

    Examples
    --------
    >>> shown_watts(107_000.0)
    '107 kW'
    """
    for scale, symbol in ((1e9, "GW"), (1e6, "MW"), (1e3, "kW"), (1.0, "W"), (1e-3, "mW")):
        if watts >= scale:
            return f"{watts / scale:.3g} {symbol}"
    return f"{watts:.3g} W"
