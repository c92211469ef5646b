"""Runs a campaign to its end, from wherever it was."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

from profiler.campaign.journal import Journal
from profiler.campaign.points import Point
from profiler.campaign.rig import Rig
from profiler.campaign.stages import (
    ADAPTIVE,
    MAX_SPREAD,
    MAX_WINDOWS,
    Design,
    Step,
    next_step,
    settled,
    spread,
)
from profiler.campaign.trial import UNSTABLE, Trial
from profiler.fit.selection import IMPOSSIBLE_FLAG
from profiler.observations import flags_text
from profiler.plausibility import misread_window


@dataclass(frozen=True)
class Outcome:
    """How a campaign ended.

    Attributes
    ----------
    reason
        Why: "target", "time", "energy" or "exhausted".
    uncertainty
        Relative standard error that nine tenths of the grid's predictions stay below; None before
        there were anchors.
    points, windows
        Distinct points measured, warm-ups and mixes left out, and all windows.
    seconds, joules
        Spent.
    """

    reason: str
    uncertainty: float | None
    points: int
    windows: int
    seconds: float
    joules: float


class Watcher(Protocol):
    """What a campaign reports its progress to."""

    def step(self, step: Step, trials: list[Trial]) -> None:
        """A point is about to be measured."""

    def window(self, trial: Trial) -> None:
        """A window has ended and is on disk."""


def run_campaign(design: Design, rig: Rig, journal: Journal, watcher: Watcher) -> Outcome:
    """Measure until the design is content or its budget spent.

    Parameters
    ----------
    design
        What to reach.
    rig
        What to measure with.
    journal
        Open; each window is in it before the next begins.
    watcher
        What progress is reported to.

    Returns
    -------
    Outcome
        How it ended.

    Raises
    ------
    MeterError, ServerError
        If a window cannot be measured; what ended before is kept.
    """
    while True:
        step = next_step(design, rig, journal.trials)
        if step.point is None:
            return _outcome(step, journal.trials)
        watcher.step(step, journal.trials)
        measure_point(design, rig, journal, watcher, step.point, step.stage)


def measure_point(
    design: Design, rig: Rig, journal: Journal, watcher: Watcher, point: Point, stage: str
) -> None:
    """Measure windows of one point until they are enough; nothing where they are.

    Parameters and errors as `run_campaign`, with the point and its stage.
    """
    own = [t for t in journal.trials if (t.point, t.stage) == (point, stage)]
    maximum = rig.max_windows(point)
    if settled(design, own, maximum):
        return
    with closing(rig.windows(point, stage, len(own))) as windows:
        for measured in windows:
            kept = _judged(design, own, measured.trial)
            journal.append(kept, measured.requests)
            watcher.window(kept)
            own.append(kept)
            if settled(design, own, maximum):
                break


def _judged(design: Design, before: list[Trial], trial: Trial) -> Trial:
    """Mark a window of impossible watts, and the last of repeats that never came close."""
    own = [*before, trial]
    last = design.kind == ADAPTIVE and len(own) >= MAX_WINDOWS
    marks = {
        IMPOSSIBLE_FLAG: misread_window(trial.cells) is not None,
        UNSTABLE: last and spread(own) > MAX_SPREAD,
    }
    flags = flags_text(trial.cells["flags"], *(mark for mark in marks if marks[mark]))
    return replace(trial, cells={**trial.cells, "flags": flags})


def _outcome(step: Step, trials: list[Trial]) -> Outcome:
    measured = {t.point for t in trials if not t.warm_up and not t.point.mixed}
    return Outcome(
        reason=step.reason,
        uncertainty=None if step.knowledge is None else step.knowledge.uncertainty,
        points=len(measured),
        windows=len(trials),
        seconds=sum(trial.spent_s for trial in trials),
        joules=sum(trial.spent_j for trial in trials),
    )
