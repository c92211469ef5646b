"""Plans at several confidences, and the least padding that hindsight would have chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.robustness.batches import PAIRS, SampledBatch, draw_batch
from benchmarks.robustness.length_bins import LengthBins, halves
from benchmarks.robustness.measured_errors import held_out_pairs
from benchmarks.robustness.replay import Reality, draw_reality, replay
from costmodel.arrays import BoolArray
from planner.errors import PlanningError
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import Plan, SolverOptions
from planner.robustness.padding import RUNG, padded
from planner.robustness.robust_planner import plan_robustly

CONFIDENCES = (0.5, 0.8, 0.9, 0.95, 0.99)
PLAN_OPTIONS = SolverOptions(time_limit_s=6.0, relative_gap=5e-3)
SEARCH_OPTIONS = SolverOptions(time_limit_s=600.0, relative_gap=2e-3)
"""Time for the search over paddings is not what is measured here; each plan has 6 s."""
SPLITS = 4
MAX_RUNGS = 100
GRID_RUNGS = 2
"""Hindsight goes up in steps of one per cent."""


@dataclass
class ReplayedBatch:
    """A batch, what really happens to it, and every plan made of it so far, by its deadline."""

    batch: SampledBatch
    reality: Reality
    made: dict[float, Plan | PlanningError] = field(default_factory=dict)

    def plan(
        self, problem: PlacementProblem, _options: object, _watch: object = None, **_: object
    ) -> Plan:
        """Return the plan under the deadline of `problem`, the same one whoever asks for it."""
        key = problem.limits.deadline_s or 0.0
        if key not in self.made:
            try:
                self.made[key] = plan(problem, PLAN_OPTIONS, explained=False)
            except PlanningError as error:
                self.made[key] = error
        found = self.made[key]
        if isinstance(found, PlanningError):
            raise found
        return found

    def at_rung(self, rung: int) -> Plan | None:
        """Return the plan at a padding, or up to two per cent above where none was found there."""
        for above in range(rung, rung + 5):
            try:
                return self.plan(padded(self.batch.problem, 1.0 + RUNG * above), None)
            except PlanningError:
                continue
        return None

    def confident(self, confidence: float) -> Plan | None:
        """Return the planner's answer to a confidence; None where it has none."""
        problem = self.batch.problem
        asked = replace(problem, limits=replace(problem.limits, confidence=confidence))
        try:
            return plan_robustly(asked, SEARCH_OPTIONS, planner=self.plan)
        except PlanningError:
            return None


@dataclass(frozen=True)
class Result:
    """What came of one confidence, over the batches for which the planner had an answer.

    Attributes
    ----------
    refused
        Batches without an answer.
    kept, estimated
        Share of the replays that kept every deadline; mean of what the planner said.
    padding
        Mean of what the planner chose.
    energy_j, realised_j
        Means over the batches: predicted, and what the replays really took.
    hindsight_padding, hindsight_kept, hindsight_j
        The least padding, one for all batches, that keeps the confidence in the same replays; None
        where none does.
    """

    confidence: float
    refused: int
    replays: int
    kept: float
    estimated: float
    padding: float
    extra_ratio: float
    energy_j: float
    realised_j: float
    hindsight_padding: float | None
    hindsight_kept: float | None
    hindsight_j: float | None


def make_cases(data: Path, batches: int, replays: int, seed: int) -> list[ReplayedBatch]:
    """Draw batches; every split of the measured grid serves as many of them."""
    known, held_out = halves(data, seed)
    bins = LengthBins.learn(known)
    splits = [held_out_pairs(data, PAIRS, seed + i) for i in range(min(SPLITS, batches))]
    cases = []
    for number in range(batches):
        batch = draw_batch(held_out, bins, splits[number % len(splits)], seed + number)
        cases.append(
            ReplayedBatch(batch, draw_reality(batch, held_out, bins, replays, seed + number))
        )
    return cases


def judge(cases: Sequence[ReplayedBatch], confidence: float) -> Result:
    """Plan every batch at a confidence, replay it, and compare with hindsight."""
    answered = [(case, case.confident(confidence)) for case in cases]
    pairs = [(case, found) for case, found in answered if found is not None]
    if not pairs:
        msg = f"Expected a plan of some batch at confidence {confidence}, got none."
        raise LookupError(msg)
    outcomes = [replay(case.batch, found, case.reality) for case, found in pairs]
    stated = [found.robustness for _, found in pairs if found.robustness is not None]
    energy_j = float(np.mean([found.energy.value_j for _, found in pairs]))
    mine = [case for case, _ in pairs]
    hindsight = _least_rung(mine, confidence)
    return Result(
        confidence=confidence,
        refused=len(cases) - len(pairs),
        replays=sum(o.kept.size for o in outcomes),
        kept=float(np.mean([o.kept for o in outcomes])),
        estimated=float(np.mean([s.estimated_confidence for s in stated])),
        padding=float(np.mean([s.padding for s in stated])),
        extra_ratio=energy_j / float(np.mean([s.energy_without_j for s in stated])) - 1.0,
        energy_j=energy_j,
        realised_j=float(np.mean([o.energy_j for o in outcomes])),
        hindsight_padding=None if hindsight is None else 1.0 + RUNG * hindsight,
        hindsight_kept=None if hindsight is None else _kept(mine, hindsight),
        hindsight_j=None if hindsight is None else _energy_j(mine, hindsight),
    )


def _least_rung(cases: Sequence[ReplayedBatch], confidence: float) -> int | None:
    """Go up the grid of paddings to the least one that keeps the confidence."""
    for rung in range(0, MAX_RUNGS, GRID_RUNGS):
        if _kept(cases, rung) >= confidence:
            return rung
    return None


def _kept(cases: Sequence[ReplayedBatch], rung: int) -> float:
    """Share of the replays kept at one padding for all; a batch without a plan keeps none."""
    kept: list[BoolArray] = []
    for case in cases:
        found = case.at_rung(rung)
        outcome = None if found is None else replay(case.batch, found, case.reality).kept
        kept.append(np.zeros(len(case.reality.output_tokens), bool) if outcome is None else outcome)
    return float(np.mean(kept))


def _energy_j(cases: Sequence[ReplayedBatch], rung: int) -> float:
    plans = [case.at_rung(rung) for case in cases]
    return float(np.mean([found.energy.value_j for found in plans if found is not None]))
