"""What simpler policies pay for the same batch, dispatched and priced by the same rules."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import IntArray
from planner.problem import PlacementProblem
from planner.result import Baseline
from planner.schedule.dispatch import dispatch
from planner.schedule.evaluation import Evaluation, evaluate
from planner.schedule.schedule import Schedule
from planner.search.candidates import QUERY_BLIND, query_blind_splits
from planner.search.incumbent import Incumbent
from planner.solvers.assignment_problem import AssignmentProblem
from planner.threads import WAKE_S

MIN_COMPARED = 1
MAX_COMPARED_REQUESTS = 1_500_000
"""Requests of all baselines together: each takes as long to dispatch as the plan."""
MIN_BACKGROUND_REQUESTS = 100_000
"""Requests from which on policies are dispatched beside the solver; below, before it."""


def max_compared(n: int) -> int:
    """Return how many policies a batch of n requests is compared with, beside the split."""
    return max(MIN_COMPARED, MAX_COMPARED_REQUESTS // n)


@dataclass(frozen=True)
class BackgroundPolicies:
    """Policies of a large batch, dispatched beside the solver, which leaves a core idle by half."""

    results: dict[str, Future[tuple[Schedule, Evaluation]]]

    @classmethod
    def start(
        cls, problem: PlacementProblem, policies: Mapping[str, IntArray | None]
    ) -> BackgroundPolicies:
        """Start to dispatch, where that takes long."""
        if problem.n < MIN_BACKGROUND_REQUESTS:
            return cls({})
        thread = ThreadPoolExecutor(1)
        placed = {name: placement for name, placement in policies.items() if placement is not None}
        found = cls({name: thread.submit(_dispatch, problem, p) for name, p in placed.items()})
        thread.shutdown(wait=False)
        return found

    def wait(self) -> None:
        """Wait until all are dispatched."""
        for results in self.results.values():
            while not results.done():
                # In short pieces: between them a limit of time can cut the wait.
                time.sleep(WAKE_S)

    def offer_to(self, incumbent: Incumbent) -> None:
        """Offer those that are dispatched by now."""
        for results in self.results.values():
            if results.done():
                incumbent.offer_evaluated(*results.result())


def _dispatch(problem: PlacementProblem, placement: IntArray) -> tuple[Schedule, Evaluation]:
    schedule = dispatch(problem, placement)
    return schedule, evaluate(problem, schedule)


def judged_policies(
    problem: PlacementProblem,
    policies: Mapping[str, IntArray | None],
    relaxation: AssignmentProblem,
    seed: int,
    incumbent: Incumbent,
) -> Iterator[tuple[str, Evaluation | None]]:
    """Yield what each policy comes to, None where it cannot place all; the query-blind split last.

    The incumbent dispatches what it was not yet offered. One that beats it takes its place, and the
    split is of the mean quality of what is best in the end.
    """
    for name, placement in policies.items():
        yield name, None if placement is None else incumbent.evaluate_placement(placement)
    while (plan := incumbent.evaluation) is not None and plan.mean_quality is not None:
        splits = query_blind_splits(problem, relaxation, plan.mean_quality, seed)
        drawn = [incumbent.evaluate_placement(split) for split in splits]
        if incumbent.evaluation is plan:
            yield QUERY_BLIND, _best_split(drawn)
            return


def baselines(
    problem: PlacementProblem, plan: Evaluation, judged: Mapping[str, Evaluation | None]
) -> tuple[Baseline, ...]:
    """Compare what policies come to with a plan."""
    return tuple(
        Baseline(name, None, None, None, feasible=False, saving_ratio=None)
        if evaluation is None
        else _baseline(problem, name, plan, evaluation)
        for name, evaluation in judged.items()
    )


def _best_split(drawn: list[Evaluation]) -> Evaluation | None:
    """Return the split of least joules, feasible ones first: the strongest to compare with."""
    return min(drawn, key=lambda dispatch: (not dispatch.feasible, dispatch.energy_j), default=None)


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
