"""Readings of a log of power in order of time, each GPU's by itself."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from costmodel.arrays import FloatArray
from costmodel.moments import written
from profiler.errors import ObservationError
from profiler.importers.power_readings import Readings

MAX_GAP_S = 10.0
"""Seconds between two readings within a run: a longer one hides what the GPU did."""
MAX_BURST_SHARE = 1 / 3
"""Share of readings that follow another at once: beyond, they are of several GPUs."""
BURST_SPACING_SHARE = 0.05
"""Share of the mean time between readings below which two are of one burst."""

Series = tuple[FloatArray, FloatArray]


def series_of(path: Path, gpu: str, values: list[tuple[float, float]], found: Readings) -> Series:
    """Put the readings of a GPU in order of time.

    Raises
    ------
    ObservationError
        If there are too few of them, two at a moment, a clock that was set back, or a counter that
        falls.
    """
    if len(values) < 2:
        problem = (
            f"Expected two readings or more of GPU {gpu}, got {len(values)}: leave it out of the "
            "log where it does not serve."
        )
        raise ObservationError(path, problem)
    _check_clock(path, gpu, np.array([moment for moment, _ in values]))
    at_s, read = (np.array(column) for column in zip(*sorted(values), strict=True))
    same = np.flatnonzero(np.diff(at_s) == 0)
    if len(same):
        why = (
            f"of GPU {gpu}"
            if found.distinguished
            else "and nothing to tell GPUs apart: log index or uuid too"
        )
        problem = (
            f"Expected one reading a moment, got two at {written(at_s[same[0]])} {why}, or write "
            "moments finer."
        )
        raise ObservationError(path, problem)
    if found.counted and np.any(np.diff(read) < 0):
        place = int(np.argmax(np.diff(read) < 0))
        problem = (
            f"Expected a counter of energy, which never falls, got one of GPU {gpu} that falls "
            f"after {written(at_s[place])}: joules of single intervals, and counters that were set "
            "to zero, are not read; log watts, or cut the log there."
        )
        raise ObservationError(path, problem)
    return at_s, read


def _check_clock(path: Path, gpu: str, at_s: FloatArray) -> None:
    """Refuse moments that run back into what was logged already: a clock was set then.

    Logs put together in any order are none: each of their stretches has a time of its own.
    """
    rising = np.sign(np.diff(at_s)).sum() >= 0
    at_s = at_s if rising else at_s[::-1]
    steps = np.diff(at_s)
    breaks = np.flatnonzero((steps < 0) | (steps > MAX_GAP_S)) + 1
    stretches = sorted((one[0], one[-1]) for one in np.split(at_s, breaks))
    for (_, ended), (begun, _) in pairwise(stretches):
        if begun < ended:
            problem = (
                f"Expected moments of GPU {gpu} that rise, got {written(begun)} after "
                f"{written(ended)}: its clock was set back, or rows are out of order. Cut the log "
                "there, or sort it by time."
            )
            raise ObservationError(path, problem)


def check_one_gpu(path: Path, at_s: FloatArray) -> None:
    """Refuse readings in bursts, as of several GPUs one after the other."""
    steps = np.diff(at_s)
    if float(np.mean(steps < BURST_SPACING_SHARE * steps.mean())) > MAX_BURST_SHARE:
        problem = (
            "Expected readings at even times, got bursts, as of several GPUs, and nothing to tell "
            "them apart: log index or uuid too."
        )
        raise ObservationError(path, problem)


def check_even(path: Path, counts: Mapping[str, int]) -> None:
    """Refuse GPUs that were read far less often than others: they are something else."""
    rarest, commonest = (choose(counts, key=lambda gpu: counts[gpu]) for choose in (min, max))
    if counts[commonest] > 2 * counts[rarest] + 2:
        problem = (
            f"Expected as many readings of each GPU, got {counts[commonest]} of {commonest} and "
            f"{counts[rarest]} of {rarest}: is that what tells GPUs apart?"
        )
        raise ObservationError(path, problem)
