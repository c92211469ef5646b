"""The record of a soak, and its report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from service.decisions.decision_service import MAX_OPEN
from service.decisions.traffic import MAX_REQUESTS

KILL_S = 20.0
"""Between the deaths of two workers."""
FORECASTS = 5
"""Periods of the forecasts in a soak."""
SETTLED = 1.25
"""Periods until the forecast of the first one is surely made."""


@dataclass(frozen=True)
class Sample:
    """The state of a soak at a time.

    Attributes
    ----------
    at_s
        Seconds since the beginning.
    main_mb, workers_mb
        Resident memory of the main process, and of all workers together.
    decided, acknowledged
        Decisions until then, and actuals.
    outages
        Times that the disk had been full until then and was no longer.
    """

    at_s: float
    main_mb: float
    workers_mb: float
    decided: int = 0
    acknowledged: int = 0
    outages: int = 0


@dataclass
class SoakRecord:
    """What happened in a soak.

    Attributes
    ----------
    asked
        Decisions that were asked for.
    seconds
        Latency of each that was made.
    failed
        Decisions without status 200, by status; 0 for a broken connection.
    acknowledged
        Ids of actuals that were answered with 200.
    refused_actuals
        Calls of /actuals that were not, by status.
    samples
        Second by second.
    killed, stopped, spoiled, replaced
        Workers that were killed and stopped, times that a fleet, an artefact and keys
        could not be used, and sets of artefacts that were replaced.
    full_s
        Seconds for which the disk was full.
    broken
        What ended the soak before its time; empty where nothing did.
    took_s
        The whole.
    """

    asked: int = 0
    seconds: list[float] = field(default_factory=list)
    failed: dict[int, int] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    refused_actuals: dict[int, int] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    killed: int = 0
    stopped: int = 0
    spoiled: int = 0
    replaced: int = 0
    full_s: float = 0.0
    broken: list[str] = field(default_factory=list)
    took_s: float = 0.0


def warm_at(samples: Iterable[Sample], planned_s: float) -> float | None:
    """Return when the service has filled all that it remembers, and been through all once.

    That is when the traffic that it remembers is at its most, the first forecast is planned, and
    the actuals that the disk's first outage held up are acknowledged, so that no more decisions
    will be open than were. None where it never came to that.

    Parameters
    ----------
    samples
        Samples in order of time.
    planned_s
        When the first forecast is made, since the beginning.
    """
    held_up: int | None = None
    for one in samples:
        if one.outages and held_up is None:
            held_up = one.decided
        settled = one.decided >= MAX_REQUESTS and one.at_s >= planned_s
        if settled and held_up is not None and one.acknowledged >= held_up:
            return one.at_s
    return None


def report(record: SoakRecord, stored: set[str], rate: float, seconds: float) -> str:
    """Say what happened.

    Parameters
    ----------
    record
        What the soak has recorded.
    stored
        Ids of the actuals that were found in the file afterwards.
    rate
        Decisions a second that were to be.
    seconds
        That it was to take.
    """
    lost = len(set(record.acknowledged) - stored)
    waiting = len(record.seconds) - len(record.acknowledged)
    return "\n".join(
        [
            *(f"ENDED EARLY: {what}" for what in record.broken),
            f"{record.took_s:.0f} of {seconds:.0f} s at {rate:.0f} decisions/s",
            f"decisions: {record.asked:,} asked, {sum(record.failed.values()):,} failed"
            f"{_by_status(record.failed)}; {_latency(record.seconds)}",
            f"actuals: {len(record.acknowledged):,} acknowledged, {lost:,} of them lost; "
            f"{waiting:,} never acknowledged; {sum(record.refused_actuals.values()):,} calls "
            f"refused{_by_status(record.refused_actuals)}, and made again",
            f"workers killed: {record.killed}, stopped: {record.stopped}; files spoiled "
            f"{record.spoiled} times; artefacts replaced: {record.replaced} times; "
            f"disk full for {record.full_s:.0f} s",
            *_memory(record.samples, SETTLED * seconds / FORECASTS),
        ]
    )


def _by_status(counts: dict[int, int]) -> str:
    return f" {dict(sorted(counts.items()))}" if counts else ""


def _latency(seconds: list[float]) -> str:
    if not seconds:
        return "none was made"
    p50, p99, maximum = np.quantile(seconds, [0.5, 0.99, 1.0]) * 1e3
    return f"p50 {p50:.2f} ms, p99 {p99:.1f} ms, longest {maximum:.0f} ms"


def _memory(samples: list[Sample], planned_s: float) -> list[str]:
    warm_s = warm_at(samples, planned_s)
    if warm_s is None:
        return [
            f"memory: not judged, the warm-up did not end. It takes {MAX_REQUESTS:,} decisions, "
            f"{planned_s:.0f} s, and the actuals of the disk's first outage."
        ]
    end_s = samples[-1].at_s
    max_open = max(one.decided - one.acknowledged for one in samples)
    lines = [
        f"warm after {warm_s:.0f} s: by then the traffic that is remembered was full "
        f"({MAX_REQUESTS:,} decisions), the first forecast was planned, and the disk had been "
        f"full once and what that held up was acknowledged (at most {max_open:,} decisions "
        f"were open; {MAX_OPEN:,} may)",
        f"resident memory, medians of {KILL_S:.0f} s after the warm-up and at the end, "
        f"{end_s - warm_s:.0f} s later:",
    ]
    for name, sizes in (
        ("main process", [(one.at_s, one.main_mb) for one in samples]),
        ("its workers together", [(one.at_s, one.workers_mb) for one in samples]),
    ):
        warm = median(size for at, size in sizes if warm_s <= at < warm_s + KILL_S)
        end = median(size for at, size in sizes if at > end_s - KILL_S)
        maximum = max(size for _, size in sizes)
        ratio = f"ratio {end / warm:.3f}" if warm else "no ratio"
        lines.append(f"  {name}: {warm:.1f} MB, then {end:.1f} MB: {ratio} (most {maximum:.1f} MB)")
    lines.append(
        "  (workers are killed and started again all the time: their memory tells little of leaks)"
    )
    return lines
