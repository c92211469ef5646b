"""Logs of power over time, as nvidia-smi and most loggers write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from costmodel.arrays import FloatArray
from costmodel.moments import written
from costmodel.zones import MACHINE_ZONE, Zone
from profiler.delimited import read_table
from profiler.errors import ObservationError
from profiler.importers.power_columns import find_columns
from profiler.importers.power_readings import read_readings
from profiler.importers.power_series import MAX_GAP_S, Series, check_even, check_one_gpu, series_of
from profiler.short_windows import AVERAGED_S, MIN_READINGS, Edges, Lateness, unknown_joules

MAX_COUNTER_STEP_SHARE = 0.05
"""Share of a run's joules: a counter of larger steps is off by as much."""
ZONE_STEP_S = 900.0
"""Offsets of zones are whole quarters of an hour."""
MAX_ZONES_APART_H = 26


@dataclass(frozen=True)
class PowerLog:
    """Power of one or more GPUs.

    Attributes
    ----------
    path
        File that it was read from.
    readings
        By GPU: seconds since 1970-01-01 UTC, rising, and watts; of counters joules.
    counted
        Whether they are counters of energy.
    summed
        Whether they are of all GPUs together.
    notes
        What was taken and what had to be assumed, a sentence each.
    late_s
        By how much a reading is late, see `profiler.short_windows`.
    resolution_s
        Resolution of the moments.
    """

    path: Path
    readings: Mapping[str, Series]
    counted: bool = False
    summed: bool = False
    notes: tuple[str, ...] = ()
    late_s: float = AVERAGED_S / 2
    resolution_s: float = 0.0

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
            Joules: by the trapezoid rule, or by the difference of the counters.

        Raises
        ------
        ObservationError
            If a GPU's readings do not cover the run, leave a gap of over ten seconds, or are too
            few in it for a mean.
        """
        ends = start_s, start_s + seconds
        total = 0.0
        for gpu, (at_s, values) in self.readings.items():
            self._check_covers(gpu, at_s, ends)
            if self.counted:
                begun, ended = np.interp(ends, at_s, values)
                self._check_fine(gpu, at_s, values, ends)
                total += float(ended - begun)
                continue
            inner = at_s[(at_s > ends[0]) & (at_s < ends[1])]
            moments = np.concatenate([[ends[0]], inner, [ends[1]]])
            total += float(np.trapezoid(np.interp(moments, at_s, values), moments))
        return total

    def covers(self, begin_s: float, end_s: float) -> bool:
        """Say whether there are readings of all GPUs before and after some seconds."""
        return all(at_s[0] <= begin_s and at_s[-1] >= end_s for at_s, _ in self.readings.values())

    def edges(self, start_s: float, seconds: float, joules: float, resolution_s: float) -> Edges:
        """Return by how much the joules of a run may be off at its edges.

        Parameters
        ----------
        start_s, seconds
            The same as of `joules`.
        joules
            Joules of the run.
        resolution_s
            Resolution of the moment at which it began, or of that from which it was counted back.
        """
        ends = start_s, start_s + seconds
        known = Lateness(self.late_s, max(self.resolution_s, resolution_s))
        unknown = [
            unknown_joules(*series, ends, known, counted=self.counted)
            for series in self.readings.values()
        ]
        periods, left_open = zip(*unknown, strict=True)
        error = sum(left_open) / joules if joules else 0.0
        return Edges(seconds, max(periods), known.resolution_s, error)

    def _check_fine(
        self, gpu: str, at_s: FloatArray, values: FloatArray, ends: tuple[float, float]
    ) -> None:
        """Refuse a counter that stands still and then steps by much of what the run took."""
        first = int(np.searchsorted(at_s, ends[0], side="right")) - 1
        last = int(np.searchsorted(at_s, ends[1], side="left"))
        steps = np.diff(values[first : last + 1])
        counted, grain = float(steps.sum()), float(steps[steps > 0].min(initial=np.inf))
        if np.any(steps == 0) and not grain <= MAX_COUNTER_STEP_SHARE * counted:
            step = f"steps of {grain:g} J" if counted else "no step"
            problem = (
                f"Expected a counter of GPU {gpu} finer than {MAX_COUNTER_STEP_SHARE:.0%} of the "
                f"run's joules, got {step} for {counted:g} J: log watts, or run for longer."
            )
            raise ObservationError(self.path, problem)

    def _check_covers(self, gpu: str, at_s: FloatArray, ends: tuple[float, float]) -> None:
        if at_s[0] > ends[0] or at_s[-1] < ends[1]:
            problem = (
                f"Expected power of GPU {gpu} from {written(ends[0])} to {written(ends[1])}, got "
                f"readings from {written(at_s[0])} to {written(at_s[-1])}: "
                f"{_shift(ends, (at_s[0], at_s[-1]))}"
            )
            raise ObservationError(self.path, problem)
        before = int(np.searchsorted(at_s, ends[0], side="right")) - 1
        after = int(np.searchsorted(at_s, ends[1], side="left"))
        gaps = np.diff(at_s[before : after + 1])
        if float(np.max(gaps, initial=0.0)) > MAX_GAP_S:
            longest = before + int(np.argmax(gaps))
            problem = (
                f"Expected a reading of GPU {gpu} at least every {MAX_GAP_S:g} s, got none between "
                f"{written(at_s[longest])} and {written(at_s[longest + 1])}: log more often, or "
                "write moments with their offset where a clock was changed then."
            )
            raise ObservationError(self.path, problem)
        within = int(np.sum((at_s >= ends[0]) & (at_s <= ends[1])))
        if within < MIN_READINGS:
            problem = (
                f"Expected {MIN_READINGS} readings or more of GPU {gpu} within a run of "
                f"{ends[1] - ends[0]:.3g} s, got {within}, of which no mean can be taken: run for "
                "longer, or log more often (nvidia-smi -lms 100)."
            )
            raise ObservationError(self.path, problem)


def read_power_log(path: Path, zone: Zone = MACHINE_ZONE) -> PowerLog:
    """Read a log.

    Parameters
    ----------
    path
        A table with a header, of which `profiler.importers.power_columns` finds the columns: a row
        for each reading of a GPU, or a column for each GPU.
    zone
        Zone of moments that are written without one.

    Returns
    -------
    PowerLog
        Log with two readings or more of each GPU.

    Raises
    ------
    ObservationError
        If a column is missing, a cell cannot be read, or nothing distinguishes GPUs.
    """
    cut_off: list[int] = []

    def leave_out(line: int) -> bool:
        cut_off.append(line)
        return True

    header, rows = read_table(path, lambda names: find_columns(path, names).numbers, leave_out)
    found = read_readings(path, header, rows, zone)
    series = {gpu: series_of(path, gpu, values, found) for gpu, values in found.by_gpu.items()}
    if not series:
        raise ObservationError(path, "Expected readings of power, got only a header.")
    if not found.distinguished:
        check_one_gpu(path, *(at_s for at_s, _ in series.values()))
    check_even(path, {gpu: len(at_s) for gpu, (at_s, _) in series.items()})
    torn = [f"{path.name}: row {line} is cut off, and left out" for line in cut_off]
    return PowerLog(
        path,
        series,
        found.counted,
        found.summed,
        (*torn, *found.notes),
        found.late_s,
        found.resolution_s,
    )


def _shift(run: tuple[float, float], log: tuple[float, float]) -> str:
    """Say which whole zones the log would have to be apart from the run to cover it."""
    quarters = range(
        math.ceil((run[1] - log[1]) / ZONE_STEP_S), math.floor((run[0] - log[0]) / ZONE_STEP_S) + 1
    )
    nearest = [shift for shift in quarters if 0 < abs(shift) <= MAX_ZONES_APART_H * 4]
    if not nearest:
        return "another run?"
    hours = min(nearest, key=lambda shift: (shift % 4 != 0, shift % 2, abs(shift))) / 4
    later = "later" if hours > 0 else "earlier"
    return (
        f"they would overlap if the log's were {abs(hours):g} h {later}: another zone? State that "
        "of moments without one with --zone, and of the log alone with --log-zone."
    )
