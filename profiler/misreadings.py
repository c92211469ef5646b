"""What joules that cannot be may have been instead: in another unit, or of several requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray
from profiler.power_limits import PowerRange, shown_watts
from profiler.units import UNITS

MAX_POWER_RATIO = 4.0
"""A unit is named where it would bring the power this near to what can be."""
BY_UNIT = "--unit energy_gpu_j={}"
BY_SECONDS = "--unit runtime_s={}"
MISREAD = (
    (1e-3, "millijoules", BY_UNIT.format("mJ")),
    (1e-6, "microjoules", BY_UNIT.format("uJ")),
    (1e3, "kilojoules", BY_UNIT.format("kJ")),
    (UNITS["Wh"].scale, "watt-hours", BY_UNIT.format("Wh")),
    (UNITS["kWh"].scale, "kilowatt-hours", BY_UNIT.format("kWh")),
    (1e3, "right and the seconds milliseconds", BY_SECONDS.format("ms")),
    (1e6, "right and the seconds microseconds", BY_SECONDS.format("us")),
    (1e9, "right and the seconds nanoseconds", BY_SECONDS.format("ns")),
    (1.0 / 60.0, "right and the seconds minutes", BY_SECONDS.format("min")),
    (60.0, "right and the minutes seconds", BY_SECONDS.format("s")),
)
"""By what joules are off, what they were instead, and the option of an import that says so."""


@dataclass(frozen=True)
class Mistake:
    """What joules may have been instead.

    Attributes
    ----------
    scale
        Shape (n,): the power of each of n trials times it would be right.
    what
        Words for what the joules were.
    option
        Option of an import; "" where none mends it.
    """

    scale: FloatArray
    what: str
    option: str = ""


def likely_mistakes(
    watts: FloatArray, allowed: PowerRange, requests: FloatArray | None = None
) -> list[Mistake]:
    """Return the mistakes under which powers can be; else the one that comes nearest.

    Parameters
    ----------
    watts
        Shape (n,), powers of one device that cannot be [W].
    allowed
        What it can draw.
    requests
        Shape (n,), those that the joules may be of all together; None where they are of none.
    """
    known = [Mistake(np.full(len(watts), scale), *words) for scale, *words in MISREAD]
    if requests is not None and np.any(requests != 1.0):
        known.append(Mistake(1.0 / requests, "those of all requests in flight"))
    off = [allowed.off(float(np.median(watts * one.scale))) for one in known]
    fitting = [one for one, by in zip(known, off, strict=True) if by == 1.0]
    nearest = int(np.argmin(off))
    return fitting or ([known[nearest]] if off[nearest] <= MAX_POWER_RATIO else [])


def question(mistakes: Sequence[Mistake], watts: float, place: int) -> str:
    """Ask for mistakes, with the power that the trial at a place would have under each."""
    meant = " or ".join(
        f"{one.what} ({shown_watts(watts * float(one.scale[place]))})" for one in mistakes
    )
    return f"Were the joules {meant}?"
