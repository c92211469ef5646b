"""Logs of power over time, as nvidia-smi and most loggers write them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from costmodel.arrays import FloatArray
from costmodel.errors import MomentRefusedError
from costmodel.moments import MomentReader, written
from costmodel.zones import MACHINE, Zone
from profiler.errors import ObservationError
from profiler.observation_files import read_table

_NUMBER = re.compile(r"[-+0-9.eE]+")
LARGEST_GAP_S = 10.0
"""Between two readings within a run: a longer one hides what the GPU did."""
QUARTER_S = 900.0
"""Offsets of zones are whole quarters of an hour."""
MAX_ZONES_APART_H = 26


@dataclass(frozen=True)
class PowerLog:
    """Power of one or more GPUs.

    Attributes
    ----------
    path
        Where it was read from.
    readings
        By GPU: seconds since 1970-01-01 UTC, rising, and watts.
    notes
        What had to be assumed, a sentence each.
    """

    path: Path
    readings: Mapping[str, tuple[FloatArray, FloatArray]]
    notes: tuple[str, ...] = ()

    def joules(self, start_s: float, seconds: float) -> float:
        """Integrate the power of all GPUs.

        Parameters
        ----------
        start_s
            Since 1970-01-01 UTC.
        seconds
            Length.

        Returns
        -------
        float
            Joules, by the trapezoid rule.

        Raises
        ------
        ObservationError
            Where a GPU's readings do not cover the run, or leave a gap of over ten seconds.
        """
        ends = start_s, start_s + seconds
        total = 0.0
        for gpu, (at_s, watts) in self.readings.items():
            if at_s[0] > ends[0] or at_s[-1] < ends[1]:
                problem = (
                    f"Expected power of GPU {gpu} from {written(ends[0])} to {written(ends[1])}, "
                    f"got readings from {written(at_s[0])} to {written(at_s[-1])}: "
                    f"{_shift(ends, (at_s[0], at_s[-1]))}"
                )
                raise ObservationError(self.path, problem)
            inner = at_s[(at_s > ends[0]) & (at_s < ends[1])]
            moments = np.concatenate([[ends[0]], inner, [ends[1]]])
            before = int(np.searchsorted(at_s, ends[0], side="right")) - 1
            after = int(np.searchsorted(at_s, ends[1], side="left"))
            if float(np.max(np.diff(at_s[before : after + 1]))) > LARGEST_GAP_S:
                problem = f"Expected a reading of GPU {gpu} at least every {LARGEST_GAP_S:g} s."
                raise ObservationError(self.path, problem)
            total += float(np.trapezoid(np.interp(moments, at_s, watts), moments))
        return total


def read_power_log(path: Path, zone: Zone = MACHINE) -> PowerLog:
    """Read a log.

    Parameters
    ----------
    path
        CSV with a header. A column whose name begins with ``time`` has the moment, in a form that
        `costmodel.moments` knows; one that begins with ``power`` or
        ``watts`` has watts, with or without a unit behind; one that begins with ``index``, ``uuid``
        or ``gpu`` tells GPUs apart.
    zone
        Of moments that are written without one.

    Returns
    -------
    PowerLog
        At least two readings of each GPU.

    Raises
    ------
    ObservationError
        Where a column is missing or a cell cannot be read.
    """
    header, rows = read_table(path)
    time = _column(path, header, "time")
    power = _column(path, header, "power", "watts")
    gpu = _column(path, header, "index", "uuid", "gpu", needed=False)
    reader = MomentReader(zone)
    found: dict[str, list[tuple[float, float]]] = {}
    for line, cells in rows:
        try:
            at_s = reader.read(cells[time])
        except MomentRefusedError as error:
            raise ObservationError(path, str(error), row=line, column=time) from None
        match = _NUMBER.match(cells[power].strip())
        try:
            watts = float(match[0]) if match else float("nan")
        except ValueError:
            watts = float("nan")
        if not 0 <= watts < 1e6:
            problem = f"Expected watts, got {cells[power]!r}."
            raise ObservationError(path, problem, row=line, column=power)
        found.setdefault(cells[gpu].strip() if gpu else "0", []).append((at_s, watts))
    readings = {}
    for name, values in found.items():
        if len(values) < 2:
            raise ObservationError(path, f"Expected two readings or more of GPU {name}, got one.")
        at, drawn = (np.array(column) for column in zip(*sorted(values), strict=True))
        readings[name] = (at, drawn)
    if not readings:
        raise ObservationError(path, "Expected readings of power, got only a header.")
    return PowerLog(path, readings, tuple(reader.assumed(path.name)))


def _column(path: Path, header: list[str], *names: str, needed: bool = True) -> str:
    for column in header:
        if column.strip().lower().startswith(names):
            return column
    if needed:
        problem = f"Expected a column {' or '.join(names)}..., got {', '.join(header)}."
        raise ObservationError(path, problem, row=1)
    return ""


def _shift(run: tuple[float, float], log: tuple[float, float]) -> str:
    """Say which whole zones the log would have to be apart from the run to cover it."""
    quarters = range(
        math.ceil((run[1] - log[1]) / QUARTER_S), math.floor((run[0] - log[0]) / QUARTER_S) + 1
    )
    nearest = [shift for shift in quarters if 0 < abs(shift) <= MAX_ZONES_APART_H * 4]
    if not nearest:
        return "another run?"
    hours = min(nearest, key=lambda shift: (shift % 4 != 0, shift % 2, abs(shift))) / 4
    later = "later" if hours > 0 else "earlier"
    return (
        f"they would overlap if the log's were {abs(hours):g} h {later}: another zone? State that "
        "of moments without one with --zone."
    )
