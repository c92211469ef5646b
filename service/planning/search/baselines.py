"""What simpler policies pay for the same batch, dealt out and priced by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import IntArray
from service.planning.bounds.assignment_problem import AssignmentProblem
from service.planning.problem import PlacementProblem
from service.planning.result import Baseline
from service.planning.schedule.dealing import deal
from service.planning.schedule.evaluation import Evaluation, evaluate
from service.planning.schedule.schedule import Schedule
from service.planning.search.candidates import QUERY_BLIND, query_blind_splits
from service.planning.search.incumbent import Incumbent

FEWEST = 1
MOST_DEALT = 1_500_000
"""Requests that are dealt out again for baselines: each takes as long as dealing the plan."""
LEAST_AHEAD = 100_000
"""Requests above which policies are dealt out beside the solver."""


def most_compared(n: int) -> int:
    """Return how many policies a batch of n requests is compared with, beside the split."""
    return max(FEWEST, MOST_DEALT // n)


@dataclass(frozen=True)
class Ahead:
    """Policies of a large batch, dealt out beside the solver, which leaves a core idle by half."""

    dealt: dict[str, Future[tuple[Schedule, Evaluation]]]

    @classmethod
    def start(cls, problem: PlacementProblem, policies: Mapping[str, IntArray | None]) -> Ahead:
        """Start to deal out, where that takes long."""
        if problem.n < LEAST_AHEAD:
            return cls({})
        thread = ThreadPoolExecutor(1)
        placed = {name: placement for name, placement in policies.items() if placement is not None}
        found = cls({name: thread.submit(_deal, problem, p) for name, p in placed.items()})
        thread.shutdown(wait=False)
        return found

    def offer_to(self, incumbent: Incumbent) -> None:
        """Wait for all and offer them."""
        for dealt in self.dealt.values():
            incumbent.offer_dealt(*dealt.result())


def _deal(problem: PlacementProblem, placement: IntArray) -> tuple[Schedule, Evaluation]:
    schedule = deal(problem, placement)
    return schedule, evaluate(problem, schedule)


def compare(
    problem: PlacementProblem,
    policies: Mapping[str, IntArray | None],
    relaxation: AssignmentProblem,
    seed: int,
    incumbent: Incumbent,
) -> tuple[Baseline, ...]:
    """Evaluate baselines against the best plan, which is a baseline itself where that is better.

    The incumbent deals out what it was not yet offered. One that beats it takes its place, and all
    are compared with that.
    """
    plan: Evaluation | None = None
    found: tuple[Baseline, ...] = ()
    while incumbent.evaluation is not None and plan is not incumbent.evaluation:
        plan = incumbent.evaluation
        found = _against(problem, plan, policies, relaxation, seed, incumbent)
    return found


def _against(
    problem: PlacementProblem,
    plan: Evaluation,
    policies: Mapping[str, IntArray | None],
    relaxation: AssignmentProblem,
    seed: int,
    incumbent: Incumbent,
) -> tuple[Baseline, ...]:
    judge = incumbent.evaluate_placement
    found = [
        Baseline(name, None, None, None, feasible=False, saving_ratio=None)
        if placement is None
        else _baseline(problem, name, plan, judge(placement))
        for name, placement in policies.items()
    ]
    if plan.mean_quality is not None:
        splits = query_blind_splits(problem, relaxation, plan.mean_quality, seed)
        deals = [_baseline(problem, QUERY_BLIND, plan, judge(split)) for split in splits]
        found.append(_best_deal(deals))
    return tuple(found)


def _best_deal(deals: list[Baseline]) -> Baseline:
    """Return the deal of least joules, feasible ones first: the strongest to compare with."""
    if not deals:
        return Baseline(QUERY_BLIND, None, None, None, feasible=False, saving_ratio=None)
    return min(deals, key=lambda deal: (not deal.feasible, deal.energy_j))


def _baseline(
    problem: PlacementProblem, name: str, plan: Evaluation, evaluation: Evaluation
) -> Baseline:
    feasible = evaluation.feasible
    return Baseline(
        name,
        evaluation.energy_j,
        evaluation.makespan_s,
        evaluation.mean_quality,
        feasible,
        _saving(plan.energy_j, evaluation.energy_j) if feasible else None,
        evaluation.total(problem, "carbon"),
        evaluation.total(problem, "money"),
        _saving(plan.cost, evaluation.cost) if feasible else None,
    )


def _saving(plan: float, baseline: float) -> float | None:
    saving = 1.0 - plan / baseline if baseline != 0.0 else np.nan
    return saving if np.isfinite(saving) else None
