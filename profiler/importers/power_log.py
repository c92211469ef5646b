"""Logs of power over time, as nvidia-smi and most loggers write them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from costmodel.arrays import FloatArray
from profiler.errors import ObservationError
from profiler.observation_files import read_table

_NUMBER = re.compile(r"[-+0-9.eE]+")
_FORMS = ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S")
LARGEST_GAP_S = 10.0
"""Between two readings within a run: a longer one hides what the GPU did."""


@dataclass(frozen=True)
class PowerLog:
    """Power of one or more GPUs.

    Attributes
    ----------
    path
        Where it was read from.
    readings
        By GPU: seconds since the epoch (local time taken as UTC), rising, and watts.
    """

    path: Path
    readings: Mapping[str, tuple[FloatArray, FloatArray]]

    def joules(self, start: datetime.datetime, seconds: float) -> float:
        """Integrate the power of all GPUs.

        Parameters
        ----------
        start
            Without a zone, in the log's time.
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
        begin = _seconds(start)
        ends = begin, begin + seconds
        total = 0.0
        for gpu, (at_s, watts) in self.readings.items():
            if at_s[0] > ends[0] or at_s[-1] < ends[1]:
                first, last = (_clock(at_s[place]) for place in (0, -1))
                problem = (
                    f"Expected power of GPU {gpu} from {_clock(ends[0])} to {_clock(ends[1])}, got "
                    f"readings from {first} to {last}: another zone, or another run?"
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


def read_power_log(path: Path) -> PowerLog:
    """Read a log.

    Parameters
    ----------
    path
        CSV with a header. A column whose name begins with ``time`` has the moment, as nvidia-smi
        writes it, in ISO 8601 or in seconds since the epoch; one that begins with ``power`` or
        ``watts`` has watts, with or without a unit behind; one that begins with ``index``, ``uuid``
        or ``gpu`` tells GPUs apart.

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
    found: dict[str, list[tuple[float, float]]] = {}
    for line, cells in rows:
        at_s = _moment(path, line, time, cells[time].strip())
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
    return PowerLog(path, readings)


def _column(path: Path, header: list[str], *names: str, needed: bool = True) -> str:
    for column in header:
        if column.strip().lower().startswith(names):
            return column
    if needed:
        problem = f"Expected a column {' or '.join(names)}..., got {', '.join(header)}."
        raise ObservationError(path, problem, row=1)
    return ""


def _moment(path: Path, line: int, column: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    for form in _FORMS:
        try:
            return _seconds(datetime.datetime.strptime(text, form))
        except ValueError:
            continue
    try:
        return _seconds(datetime.datetime.fromisoformat(text).replace(tzinfo=None))
    except ValueError:
        problem = f"Expected a moment like 2026/01/31 23:59:59.000, got {text!r}."
        raise ObservationError(path, problem, row=line, column=column) from None


def _seconds(moment: datetime.datetime) -> float:
    return moment.replace(tzinfo=datetime.UTC).timestamp()


def _clock(at_s: float) -> str:
    return datetime.datetime.fromtimestamp(at_s, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
