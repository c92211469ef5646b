"""Whether joules can be: the power that they mean against what is published of the device.

The joules of a window over its seconds are a power, and `profiler.power_limits` says which can be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from costmodel.arrays import FloatArray
from costmodel.devices import accelerators
from profiler.fit.selection import (
    GPU,
    GPU_AND_CPU,
    IMPOSSIBLE_FLAG,
    scoped_energy_j,
)
from profiler.observations import Observations
from profiler.power_limits import UNKNOWN_W, Limits, limits, shown_watts
from profiler.units import UNITS

NEAR = 4.0
"""A unit is named where it would bring the power this near to what can be."""

BY_UNIT = "--unit energy_gpu_j={}"
BY_SECONDS = "--unit runtime_s={}"
BY_COUNT = "Divide them by their requests."
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
"""By what joules are off, what they were instead, and the option that says so."""

SLOW_S = 5.0
"""Of a token with a KV cache. The slowest devices take about one; what answers 256 requests at once
and has more in flight lets the others wait."""
SLOW_WITHOUT_CACHE_S = 60.0
"""An M1 Pro that swapped took 22 s a token without a KV cache (Wilkins et al. 2024)."""
MAX_AT_ONCE = 256
PROMPT_SHARE = 0.01
"""Of a token's time: what a token of a prompt takes, or less."""


@dataclass(frozen=True)
class _Mistake:
    """What joules may have been instead: each times `scale` would be right."""

    scale: FloatArray
    what: str
    remedy: str


@dataclass(frozen=True)
class Misread:
    """One trial whose joules cannot be.

    Attributes
    ----------
    trial
        Its place.
    problem
        A sentence, or two.
    """

    trial: int
    problem: str


def mean_watts(trials: Observations) -> FloatArray:
    """Return the power that the joules of each trial mean.

    Joules of a request are its window's over the requests that ended in it, so the power is joules
    times requests over the window's seconds, where both are there, else joules times concurrency
    over runtime.

    Parameters
    ----------
    trials
        n trials.

    Returns
    -------
    numpy.ndarray
        Shape (n,), of the whole device [W]; NaN where nothing was metered.
    """
    both = np.array(_scopes(trials)) == GPU_AND_CPU
    joules = np.where(both, scoped_energy_j(trials, GPU_AND_CPU), trials.energy_gpu_j)
    joules = np.where(np.isfinite(joules), joules, trials.energy_gpu_j)
    requests, window_s = (_numbers(trials, name) for name in ("requests", "window_s"))
    with np.errstate(invalid="ignore", divide="ignore"):
        counted = requests / window_s
    told = np.isfinite(counted) & (counted > 0)
    rate = np.where(told, counted, trials.concurrency / trials.runtime_s)
    return np.where(joules > 0, joules * rate, np.nan)


def misread_window(cells: Mapping[str, str]) -> str | None:
    """Say why the joules of a window of a campaign cannot be; None where they can.

    Parameters
    ----------
    cells
        Of its row, as `profiler.campaign.trial` has them.
    """
    joules = [float(cells[f"energy_{part}_j"] or 0.0) for part in ("gpu", "cpu")]
    scope = cells["energy_scope"] or GPU
    drawn = sum(joules) if scope == GPU_AND_CPU else joules[0]
    if drawn <= 0:
        return None
    runtime_s = float(cells["runtime_s"])
    watts = drawn * float(cells["concurrency"]) / runtime_s
    allowed = limits(cells["device"], scope)
    side = allowed.side(watts, runtime_s)
    return _unlikely(cells["device"], watts, allowed, side) if side else None


def misread_trials(trials: Observations) -> list[Misread]:
    """Find trials whose joules cannot be.

    Parameters
    ----------
    trials
        Any; those that carry the flag `impossible_watts` are left alone.

    Returns
    -------
    list
        One entry a trial, with what it would have been in the unit that comes nearest.
    """
    watts, scopes = mean_watts(trials), _scopes(trials)
    found: dict[tuple[str, str, int], list[int]] = {}
    for place in np.flatnonzero(np.isfinite(watts) & ~trials.flagged(IMPOSSIBLE_FLAG)).tolist():
        device, scope = str(trials.device[place]), scopes[place]
        side = limits(device, scope).side(watts[place], float(trials.runtime_s[place]))
        if side:
            found.setdefault((device, scope, side), []).append(place)
    misread = []
    for (device, scope, side), places in found.items():
        allowed = limits(device, scope)
        mistakes = _mistakes(trials, watts, np.array(places), allowed)
        for number, place in enumerate(places):
            problem = _unlikely(device, float(watts[place]), allowed, side)
            hint = _question(mistakes, float(watts[place]), number)
            misread.append(Misread(place, f"{problem}: {_reckoned(trials, place)} {hint}"))
    return sorted(misread, key=lambda one: one.trial)


def unchecked_devices(devices: Collection[str]) -> list[str]:
    """Return one sentence for each device of which nothing is published."""
    low, high = UNKNOWN_W
    return [
        f"{device} is not among the devices whose power is published: its joules are checked "
        f"against {low:g} to {high:g} W an accelerator only"
        for device in sorted(devices)
        if not accelerators(device)
    ]


def warnings(trials: Observations) -> list[str]:
    """Say what of some trials may not be as it seems, a sentence each."""
    return [
        *unmetered(trials),
        *slow_tokens(trials),
        *unchecked_devices(set(trials.device.tolist())),
    ]


def unmetered(trials: Observations) -> list[str]:
    """Say how many trials have joules of zero, if any: nothing can be fitted to them."""
    count = int((np.nan_to_num(trials.energy_cpu_j) + trials.energy_gpu_j == 0).sum())
    if not count:
        return []
    return [f"joules are zero in {count} of {len(trials)} trials: the meter saw nothing of them"]


def slow_tokens(trials: Observations) -> list[str]:
    """Say of how many trials the seconds are more than tokens take, if of any.

    Joules and seconds that are both in thousandths give a power that can be; so do seconds of
    which no joules were metered.
    """
    tokens = trials.output_tokens + PROMPT_SHARE * np.nan_to_num(trials.input_tokens)
    waiting = np.maximum(1.0, trials.concurrency / MAX_AT_ONCE)
    allowed = np.where(trials.kv_cache == "on", SLOW_S, SLOW_WITHOUT_CACHE_S)
    slow = trials.runtime_s / tokens / waiting > allowed
    if not slow.any():
        return []
    first = int(np.argmax(slow))
    return [
        f"{int(slow.sum())} of {len(trials)} trials take more than {allowed[first]:g} s a token, "
        f"as {trials.runtime_s[first]:g} s for {trials.output_tokens[first]:g}: are they "
        "milliseconds? Write the unit into the header, or give import csv "
        f"{BY_SECONDS.format('ms')}"
    ]


def nearest_scale(watts: FloatArray, device: str, scales: tuple[float, ...]) -> float | None:
    """Return the only scale under which powers can be.

    Parameters
    ----------
    watts
        For a scale of 1.
    device
        That they were drawn by.
    scales
        To choose from.

    Returns
    -------
    float or None
        None where none, or more than one, brings the median near to what can be.
    """
    allowed = limits(device)
    middle = float(np.median(watts))
    fitting = [scale for scale in scales if allowed.off(middle * scale) <= NEAR]
    return fitting[0] if len(fitting) == 1 else None


def _unlikely(device: str, watts: float, allowed: Limits, side: int) -> str:
    high, low = (shown_watts(bound) for bound in (allowed.high, allowed.low))
    bound = f"at most {high}" if side > 0 else f"at least {low}"
    return f"Expected {bound} of {device} ({allowed.published}), got {shown_watts(watts)}"


def _reckoned(trials: Observations, place: int) -> str:
    joules, seconds = float(trials.energy_gpu_j[place]), float(trials.runtime_s[place])
    batch = float(trials.concurrency[place])
    return f"{joules:g} J a request, {batch:g} in flight for {seconds:g} s each."


def _mistakes(
    trials: Observations, watts: FloatArray, places: npt.NDArray[np.int64], allowed: Limits
) -> list[_Mistake]:
    """Return the mistakes under which the powers can be; else the one that comes nearest."""
    known = [
        *(_Mistake(np.full(len(places), scale), *words) for scale, *words in MISREAD),
        _Mistake(1.0 / trials.concurrency[places], "those of all requests in flight", BY_COUNT),
    ]
    known = [one for one in known if np.any(one.scale != 1.0)]
    off = [allowed.off(float(np.median(watts[places] * one.scale))) for one in known]
    fitting = [one for one, by in zip(known, off, strict=True) if by == 1.0]
    nearest = int(np.argmin(off))
    return fitting or ([known[nearest]] if off[nearest] <= NEAR else [])


def _question(mistakes: Sequence[_Mistake], watts: float, place: int) -> str:
    """Ask for mistakes, with the power that a trial would have under each."""
    if not mistakes:
        return "Are device, num_gpus and the joules of one request right?"
    meant = " or ".join(
        f"{one.what} ({shown_watts(watts * float(one.scale[place]))})" for one in mistakes
    )
    options = [one.remedy for one in mistakes if one.remedy != BY_COUNT]
    stated = f"Write the unit into the header, or give import csv {' or '.join(options)}."
    counted = [BY_COUNT] * (len(options) < len(mistakes))
    return " ".join([f"Were the joules {meant}?", *([stated] if options else []), *counted])


def _scopes(trials: Observations) -> list[str]:
    said = trials.extra.get("energy_scope")
    return [GPU] * len(trials) if said is None else [text or GPU for text in said.tolist()]


def _numbers(trials: Observations, name: str) -> FloatArray:
    numbers = np.full(len(trials), np.nan)
    for place, text in enumerate(trials.extra.get(name, ())):
        try:
            numbers[place] = float(text)
        except ValueError:
            continue
    return numbers
