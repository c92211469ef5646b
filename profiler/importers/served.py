"""Which requests of a benchmark's run were served, with what lengths and how long it took.

Load generators list all requests one by one, those that failed too: with no token, an error, or a
flag. Failed requests are left out; the joules that they took are in those of the served ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.arrays import BoolArray, FloatArray
from profiler.errors import ObservationError
from profiler.importers.results import Run, positive
from profiler.length_mix import MEAN_COLUMNS, mean_cells

FAILED_FLAG = "failed_requests"
"""Marks windows in which requests failed; the column ``failed`` has their number."""
MEAN_LATENCIES = ("mean_e2el_ms", "mean_e2e_latency_ms")
"""As vLLM and SGLang name the mean latency of the served requests."""
MAX_UNIFORM_VARIATION = 0.1
"""Lengths whose coefficient of variation stays below this count as uniform."""
MIN_CHANCE_REQUESTS = 10
"""Requests whose mean lengths are whole numbers by chance are fewer."""


@dataclass(frozen=True)
class Served:
    """The served requests of a run.

    Attributes
    ----------
    count
        Number of requests, at least 1.
    lengths
        Means of their lengths and of the functions of those, as cells of a row.
    mixed
        Whether they are of several lengths, or may be.
    latency_s
        Mean of theirs.
    failed
        Number of the others.
    notes
        What was left out or not believed, a sentence each.
    """

    count: int
    lengths: Mapping[str, str]
    mixed: bool
    latency_s: float
    failed: int
    notes: tuple[str, ...]


def read_served(path: Path, run: Run) -> Served:
    """Read the served requests of a run.

    Parameters
    ----------
    path
        Path of the result, for messages.
    run
        Run with ``input_lens`` and ``output_lens`` of all requests, as ``--save-detailed`` writes
        them; else with ``completed``, both totals of tokens and mean latencies.

    Returns
    -------
    Served
        Counted from the lists; ``completed`` is believed only where it says the same.

    Raises
    ------
    ObservationError
        If the lists are missing or are not of the same requests, or none was served.
    """
    tin, tout = (_lengths(run.get(f"{part}_lens")) for part in ("input", "output"))
    if not len(tin) and not len(tout) and run.get("completed") is not None:
        return _read_totals(path, run)
    if not len(tin) or not len(tout):
        problem = "Expected input_lens and output_lens, got none: run with --save-detailed."
        raise ObservationError(path, problem)
    _check_count(path, "output_lens", tout, len(tin))
    served = served_mask(path, run, tout)
    count, failed = int(served.sum()), int((~served).sum())
    notes = []
    if failed:
        notes.append(_failures(run, count, failed))
    if not count:
        raise ObservationError(path, f"Expected a request that was served, got none: {notes[0]}")
    if not np.all(tin[served] >= 1):
        problem = "Expected input_lens of 1 or more of each served request, got others."
        raise ObservationError(path, problem)
    notes += completed_notes(run, count)
    latency_s, unknown = _latency_s(path, run, served, tout)
    if unknown:
        notes.append(
            f"the latencies of {unknown} of {count} served requests are not recorded: the mean of "
            "the others is taken"
        )
    lengths = tin[served], tout[served]
    mixed = max(float(np.std(one) / np.mean(one)) for one in lengths) > MAX_UNIFORM_VARIATION
    return Served(count, mean_cells(*lengths), mixed, latency_s, failed, tuple(notes))


def _read_totals(path: Path, run: Run) -> Served:
    """Read a run that has no lists: the means of its lengths, and perhaps of what they mix.

    Of several requests whose mean lengths are both whole numbers all lengths are alike: of a mix of
    n requests one in n^2 would have such means.
    """
    count = positive(path, run, "completed")
    if count != int(count):
        raise ObservationError(path, f"Expected a whole number completed, got {count!r}.")
    tin, tout = (
        np.array([positive(path, run, f"total_{part}_tokens") / count])
        for part in ("input", "output")
    )
    if tin[0] < 1 or tout[0] < 1:
        problem = f"Expected a token or more of each request, got {tin[0]:g} in, {tout[0]:g} out."
        raise ObservationError(path, problem)
    alike = count >= MIN_CHANCE_REQUESTS and tin[0] == int(tin[0]) and tout[0] == int(tout[0])
    asked = _number(run.get("failed", _number(run.get("num_prompts")) - count))
    failed = int(asked) if asked > 0 else 0
    notes = ["no lists of lengths: their means are those of the totals over completed"]
    if alike:
        notes.append(f"{tin[0]:g} tokens in and {tout[0]:g} out are taken as those of all requests")
    else:
        notes.append(
            "what lengths they mix is unknown, so only a fit to one mix learns from it: run with "
            "--save-detailed"
        )
    if failed:
        notes.append(_failures(run, int(count), failed))
    lengths = mean_cells(tin, tout)
    if not alike:
        lengths |= dict.fromkeys(MEAN_COLUMNS.values(), "")
    latency_s = _mean_latency_s(path, run, float(tout[0]))
    return Served(int(count), lengths, not alike, latency_s, failed, tuple(notes))


def served_mask(path: Path, run: Run, output_tokens: FloatArray) -> BoolArray:
    """Say which requests were served: those with tokens, no error and no flag of a failure.

    Parameters
    ----------
    path
        Path of the result, for messages.
    run
        Run with ``errors`` or ``success``, or without.
    output_tokens
        Shape (n,), NaN where not a number.

    Returns
    -------
    numpy.ndarray
        Shape (n,).
    """
    served = output_tokens >= 1
    for name, is_failure in (
        ("errors", bool),
        ("success", lambda success: success == 0),
    ):
        marks = run.get(name)
        if isinstance(marks, list) and marks:
            _check_count(path, name, marks, len(output_tokens))
            served &= ~np.array([is_failure(one) for one in marks], dtype=np.bool_)
    return np.asarray(served, dtype=np.bool_)


def completed_notes(run: Run, count: int) -> list[str]:
    """Say where ``completed`` is another number than the lists have served requests."""
    completed = run.get("completed")
    if completed is None or completed == count:
        return []
    return [f"completed says {completed!r}, the lists hold {count} served requests: counted so"]


def output_lengths(run: Run) -> FloatArray:
    """Return the output tokens of each request, NaN where not a number; empty where not listed."""
    return _lengths(run.get("output_lens"))


def _lengths(values: object) -> FloatArray:
    listed = values if isinstance(values, list) else []
    return np.array([_number(value) for value in listed], dtype=np.float64)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value) if 0 <= value < 1e15 else math.nan


def _check_count(path: Path, name: str, values: Sequence[Any] | FloatArray, wanted: int) -> None:
    if len(values) != wanted:
        problem = f"Expected {name} of the same {wanted} requests as input_lens, got {len(values)}."
        raise ObservationError(path, problem)


def _failures(run: Run, count: int, failed: int) -> str:
    errors = run.get("errors")
    first = next((str(one) for one in errors if one), "") if isinstance(errors, list) else ""
    said = first.strip().splitlines()[-1][:120] if first.strip() else ""
    return (
        f"{failed} of {count + failed} requests failed{f' ({said})' if said else ''}: left "
        f"out; what joules they took is in those of the {count} served"
    )


def _latency_s(
    path: Path, run: Run, served: BoolArray, output_tokens: FloatArray
) -> tuple[float, int]:
    """Return the mean latency, and of how many served requests it is not recorded."""
    each = _latencies_s(path, run, served)
    known = each[each > 0]
    if len(known):
        return float(known.mean()), int(served.sum()) - len(known)
    return _mean_latency_s(path, run, float(output_tokens[served].mean())), 0


def _mean_latency_s(path: Path, run: Run, output_tokens: float) -> float:
    """Return the mean latency of requests of a mean length, of which only means are written."""
    for name in MEAN_LATENCIES:
        if run.get(name) is not None:
            return positive(path, run, name) / 1e3
    first_s = positive(path, run, "mean_ttft_ms") / 1e3
    if output_tokens <= 1:
        return first_s
    return first_s + positive(path, run, "mean_tpot_ms") / 1e3 * (output_tokens - 1.0)


def _latencies_s(path: Path, run: Run, served: BoolArray) -> FloatArray:
    """Return the latency of each served request, NaN where not recorded; empty where not listed."""
    first, steps = run.get("ttfts"), run.get("itls")
    if not (isinstance(first, list) and isinstance(steps, list) and first and steps):
        return np.zeros(0)
    if len(first) != len(steps) or len(first) not in (len(served), int(served.sum())):
        problem = (
            f"Expected ttfts and itls of the same {len(served)} requests as input_lens, got "
            f"{len(first)} and {len(steps)}."
        )
        raise ObservationError(path, problem)
    each = np.array(
        [_number(ttft) + _sum(between) for ttft, between in zip(first, steps, strict=True)]
    )
    return each[served] if len(each) == len(served) else each


def _sum(values: object) -> float:
    if not isinstance(values, list):
        return math.nan
    return sum(map(_number, values))
