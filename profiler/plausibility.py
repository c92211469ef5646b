"""Whether joules can be: the power that they mean against what is published of the device.

The joules of a window over its seconds are a power, and `profiler.power_limits` says which can be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray
from costmodel.devices import accelerators
from costmodel.provenance import GPU, GPU_AND_CPU
from profiler.fit.selection import IMPOSSIBLE_FLAG, scoped_energy_j
from profiler.misreadings import BY_SECONDS, MAX_POWER_RATIO, Mistake, likely_mistakes, question
from profiler.observations import Observations
from profiler.power_limits import UNKNOWN_W, limits

MAX_TOKEN_S = 5.0
"""Most seconds of a token with a KV cache. The slowest devices take about one; what answers 256
requests at once and has more in flight lets the others wait."""
MAX_TOKEN_WITHOUT_CACHE_S = 60.0
"""An M1 Pro that swapped took 22 s a token without a KV cache (Wilkins et al. 2024)."""
MAX_ANSWERED_AT_ONCE = 256
PROMPT_TOKEN_SHARE = 0.01
"""Share of a token's time that a token of a prompt takes, or less."""


@dataclass(frozen=True)
class Misread:
    """One trial whose joules cannot be.

    Attributes
    ----------
    trial
        Place of the trial.
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
    known = np.isfinite(counted) & (counted > 0)
    rate = np.where(known, counted, trials.concurrency / trials.runtime_s)
    return np.where(joules > 0, joules * rate, np.nan)


def misread_window(cells: Mapping[str, str]) -> str | None:
    """Say why the joules of a window of a campaign cannot be; None where they can.

    Parameters
    ----------
    cells
        Cells of the row, as `profiler.campaign.trial` has them.
    """
    joules = [float(cells[f"energy_{part}_j"] or 0.0) for part in ("gpu", "cpu")]
    scope = cells["energy_scope"] or GPU
    drawn = sum(joules) if scope == GPU_AND_CPU else joules[0]
    if drawn <= 0:
        return None
    runtime_s = float(cells["runtime_s"])
    watts = drawn * float(cells["concurrency"]) / runtime_s
    return limits(cells["device"], scope).problem(watts, runtime_s)


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
    for (device, scope, _), places in found.items():
        allowed = limits(device, scope)
        mistakes = likely_mistakes(watts[places], allowed, trials.concurrency[places])
        for number, place in enumerate(places):
            power = float(watts[place])
            problem = allowed.problem(power, float(trials.runtime_s[place]))
            hint = _hint(mistakes, power, number)
            misread.append(Misread(place, f"{problem}: {_taken(trials, place)} {hint}"))
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
    tokens = trials.output_tokens + PROMPT_TOKEN_SHARE * np.nan_to_num(trials.input_tokens)
    waiting = np.maximum(1.0, trials.concurrency / MAX_ANSWERED_AT_ONCE)
    allowed = np.where(trials.kv_cache == "on", MAX_TOKEN_S, MAX_TOKEN_WITHOUT_CACHE_S)
    slow = trials.runtime_s / tokens / waiting > allowed
    if not slow.any():
        return []
    first = int(np.argmax(slow))
    return [
        f"more than {allowed[first]:g} s a token in {int(slow.sum())} of {len(trials)} trials, "
        f"as {trials.runtime_s[first]:g} s for {trials.output_tokens[first]:g}: are they "
        "milliseconds? Write the unit into the header, or give import csv "
        f"{BY_SECONDS.format('ms')}"
    ]


def nearest_scale(watts: FloatArray, device: str, scales: tuple[float, ...]) -> float | None:
    """Return the only scale under which powers can be.

    Parameters
    ----------
    watts
        Powers for a scale of 1 [W].
    device
        Device that they were drawn by.
    scales
        Scales to choose from.

    Returns
    -------
    float or None
        None where none, or more than one, brings the median near to what can be.
    """
    allowed = limits(device)
    middle = float(np.median(watts))
    fitting = [scale for scale in scales if allowed.off(middle * scale) <= MAX_POWER_RATIO]
    return fitting[0] if len(fitting) == 1 else None


def _taken(trials: Observations, place: int) -> str:
    joules, seconds = float(trials.energy_gpu_j[place]), float(trials.runtime_s[place])
    batch = float(trials.concurrency[place])
    return f"{joules:g} J a request, {batch:g} in flight for {seconds:g} s each."


def _hint(mistakes: Sequence[Mistake], watts: float, place: int) -> str:
    """Ask for the mistakes of a trial, with what to do about them."""
    if not mistakes:
        return "Are device, num_gpus and the joules of one request right?"
    options = [one.option for one in mistakes if one.option]
    stated = f"Write the unit into the header, or give import csv {' or '.join(options)}."
    counted = ["Divide them by their requests."] * (len(options) < len(mistakes))
    return " ".join([question(mistakes, watts, place), *([stated] if options else []), *counted])


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
