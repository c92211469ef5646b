"""What a campaign does next, from nothing but its settings and the windows that it has.

So one that was killed goes on where it was, and the same windows always lead to the same next one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from costmodel.arrays import FloatArray
from profiler.campaign.design import Knowledge, choose, know
from profiler.campaign.points import Point, anchors, as_array
from profiler.campaign.rig import Rig
from profiler.campaign.trial import ANCHORS, DESIGN, MIX, WARM_UP, Trial

MIN_CAMPAIGN_POINTS = 10
"""An adaptive campaign does not stop before: with fewer, residuals do not show a bad fit."""
WINDOWS_PER_POINT = 2
MAX_WINDOWS = 4
MAX_GRID_WINDOWS = 25
GRID_HALF_WIDTH_S = 0.5
"""The paper's rule: until the 95 % confidence interval of the mean runtime is narrower than half a
second to each side, or 25 trials (Wilkins' thesis, 4.4.1)."""
MAX_SPREAD = 0.03
_Z95 = 1.96

ADAPTIVE, GRID = "adaptive", "grid"

TARGET, TIME, ENERGY, EXHAUSTED = "target", "time", "energy", "exhausted"


@dataclass(frozen=True)
class Design:
    """What a campaign is to reach.

    Attributes
    ----------
    kind
        "adaptive" or "grid".
    target_error
        Relative standard error that nine tenths of the grid's predictions shall stay below.
    max_seconds, max_joules
        Budgets; None for none.
    seed
        Seed of the order within a stage, and of all drawn lengths.
    """

    kind: str = ADAPTIVE
    target_error: float = 0.05
    max_seconds: float | None = None
    max_joules: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Step:
    """What to do next.

    Attributes
    ----------
    point, stage
        Point and stage to measure; None where the campaign is over.
    reason
        Why it is over; empty while it goes on.
    knowledge
        What is known of the candidates, once there are anchors.
    """

    point: Point | None
    stage: str = ""
    reason: str = ""
    knowledge: Knowledge | None = None


def spread(windows: Sequence[Trial]) -> float:
    """Return the largest coefficient of variation of joules or device-seconds over repeats."""
    if len(windows) < 2:
        return math.inf
    columns = [[w.energy_j for w in windows], [w.device_seconds for w in windows]]
    return max(float(np.std(one, ddof=1)) / max(float(np.mean(one)), 1e-300) for one in columns)


def settled(design: Design, windows: Sequence[Trial], maximum: int | None) -> bool:
    """Say whether a point has windows enough.

    Parameters
    ----------
    design
        Design of the campaign.
    windows
        Windows of the point.
    maximum
        Windows that there can be; None for as many as are wanted.
    """
    if windows and (windows[0].warm_up or len(windows) == maximum):
        return True
    if len(windows) < WINDOWS_PER_POINT:
        return False
    if design.kind == GRID:
        latency_s = [window.runtime_s for window in windows]
        half = _Z95 * float(np.std(latency_s, ddof=1)) / math.sqrt(len(windows))
        return half < GRID_HALF_WIDTH_S or len(windows) >= MAX_GRID_WINDOWS
    return spread(windows) <= MAX_SPREAD or len(windows) >= MAX_WINDOWS


def next_step(design: Design, rig: Rig, trials: Sequence[Trial]) -> Step:
    """Decide what to do next.

    Parameters
    ----------
    design
        Design of the campaign.
    rig
        Rig that knows the grid, and what windows cost.
    trials
        The campaign's windows, in their order.

    Returns
    -------
    Step
        A point to measure (again, where its windows are not enough), or why it is over.
    """
    by_point: dict[tuple[Point, str], list[Trial]] = {}
    for trial in trials:
        by_point.setdefault((trial.point, trial.stage), []).append(trial)
    candidates = rig.candidates()
    measured = _measured(trials)
    knowledge = _knowledge(rig, measured, candidates)
    for point, stage in [*by_point, *_fixed(design, rig, candidates)]:
        found = by_point.get((point, stage), [])
        if not settled(design, found, rig.max_windows(point)):
            over = _over_budget(design, trials)
            return Step(None, reason=over) if over else Step(point, stage, knowledge=knowledge)
    if over := _over_budget(design, trials):
        return Step(None, reason=over, knowledge=knowledge)
    if design.kind == GRID or knowledge is None:
        return Step(None, reason=EXHAUSTED, knowledge=knowledge)
    known = [candidates.index(point) for point in measured if point in candidates]
    if len(known) >= MIN_CAMPAIGN_POINTS and knowledge.uncertainty <= design.target_error:
        return Step(None, reason=TARGET, knowledge=knowledge)
    costs = zip(candidates, knowledge.seconds, strict=True)
    cost_s = np.array([max(rig.cost_s(p, float(s), WINDOWS_PER_POINT), 1e-3) for p, s in costs])
    best = choose(knowledge, cost_s, known)
    if best is None:
        return Step(None, reason=EXHAUSTED, knowledge=knowledge)
    return Step(candidates[best], DESIGN, knowledge=knowledge)


def _fixed(design: Design, rig: Rig, candidates: Sequence[Point]) -> list[tuple[Point, str]]:
    """Return what is measured whatever comes out: warm-up, anchors or grid, and mixes."""
    random = Random(design.seed)
    first = list(candidates) if design.kind == GRID else anchors(candidates)
    random.shuffle(first)
    stage = DESIGN if design.kind == GRID else ANCHORS
    return [
        *((point, WARM_UP) for point in warm_ups(candidates) if rig.max_windows(point) is None),
        *((point, stage) for point in first),
        *((point, MIX) for point in rig.mixes()),
    ]


def warm_ups(candidates: Sequence[Point]) -> list[Point]:
    """Choose what warms a server up: one window at the least and one at the largest concurrency."""
    ordered = sorted(candidates, key=lambda p: (p.concurrency, p.input_tokens, p.output_tokens))
    batches = sorted({point.concurrency for point in ordered})
    chosen = []
    for batch in dict.fromkeys((batches[0], batches[-1])):
        here = [point for point in ordered if point.concurrency == batch]
        chosen.append(here[len(here) // 2])
    return chosen


def _measured(trials: Sequence[Trial]) -> dict[Point, list[Trial]]:
    """Return the windows that a fit learns from, by point, in the order of the campaign."""
    by_point: dict[Point, list[Trial]] = {}
    for trial in trials:
        if trial.stage in (ANCHORS, DESIGN):
            by_point.setdefault(trial.point, []).append(trial)
    return by_point


def _knowledge(
    rig: Rig, by_point: dict[Point, list[Trial]], candidates: Sequence[Point]
) -> Knowledge | None:
    if len(by_point) < 2:
        return None
    return know(
        rig.basis,
        _means(by_point, lambda trial: trial.achieved).reshape(-1, 3),
        _means(by_point, lambda trial: (trial.energy_j,)).reshape(-1),
        _means(by_point, lambda trial: (trial.device_seconds,)).reshape(-1),
        as_array(candidates),
    )


def _means(
    by_point: dict[Point, list[Trial]], figures: Callable[[Trial], tuple[float, ...]]
) -> FloatArray:
    rows = [np.mean([figures(trial) for trial in some], axis=0) for some in by_point.values()]
    return np.array(rows, dtype=np.float64)


def _over_budget(design: Design, trials: Sequence[Trial]) -> str:
    if design.max_seconds is not None and sum(t.spent_s for t in trials) >= design.max_seconds:
        return TIME
    if design.max_joules is not None and sum(t.spent_j for t in trials) >= design.max_joules:
        return ENERGY
    return ""
