"""The best schedule so far."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from costmodel.arrays import IntArray
from planner.problem import PlacementProblem
from planner.schedule.dispatch import dispatch
from planner.schedule.evaluation import Evaluation, evaluate
from planner.schedule.schedule import Schedule
from planner.schedule.slots import narrow


@dataclass
class Incumbent:
    """The best schedule so far that keeps every limit, with its totals; None before the first.

    It is replaced by one assignment. `nearest` is the schedule that exceeds limits least of those
    that were offered, and by how much; None before the first.
    """

    problem: PlacementProblem
    best: tuple[Schedule, Evaluation] | None = None
    on_better: Callable[[], None] = lambda: None
    evaluated: dict[bytes, Evaluation] = field(default_factory=dict)
    nearest: tuple[Schedule, float] | None = None

    @property
    def schedule(self) -> Schedule | None:
        """The best schedule, None while there is none."""
        return None if self.best is None else self.best[0]

    @property
    def evaluation(self) -> Evaluation | None:
        """Totals of the best schedule, None while there is none."""
        return None if self.best is None else self.best[1]

    @property
    def objective(self) -> float:
        """Objective of the best schedule, inf while there is none."""
        return np.inf if self.evaluation is None else self.evaluation.objective

    def offer(self, schedule: Schedule) -> Evaluation:
        """Evaluate a schedule and keep it if it is feasible and better."""
        evaluation = evaluate(self.problem, schedule)
        self._keep(schedule, evaluation)
        return evaluation

    def _keep(self, schedule: Schedule, evaluation: Evaluation) -> None:
        if self.nearest is None or evaluation.excess < self.nearest[1]:
            self.nearest = schedule, evaluation.excess
        if evaluation.feasible and self._better(evaluation):
            self.best = schedule, evaluation
            self.on_better()

    def offer_placement(self, placement: IntArray) -> tuple[Schedule, Evaluation] | None:
        """Dispatch an assignment and offer it; None where it was offered before."""
        key = _digest(placement)
        if key in self.evaluated:
            return None
        schedule = dispatch(self.problem, placement)
        return schedule, self._remember(key, schedule, evaluate(self.problem, schedule))

    def offer_evaluated(self, schedule: Schedule, evaluation: Evaluation) -> None:
        """Offer a schedule that was dispatched and evaluated elsewhere."""
        self._remember(_digest(schedule.placement), schedule, evaluation)

    def _remember(self, key: bytes, schedule: Schedule, evaluation: Evaluation) -> Evaluation:
        self._keep(schedule, evaluation)
        self.evaluated[key] = replace(evaluation, request_energy_j=np.empty(0))
        return evaluation

    def evaluate_placement(self, placement: IntArray) -> Evaluation:
        """Return the totals of an assignment as dispatched, its requests' joules left out."""
        self.offer_placement(placement)
        return self.evaluated[_digest(placement)]

    def _better(self, other: Evaluation) -> bool:
        if self.evaluation is None:
            return True
        slack = 1e-12 * max(1.0, abs(other.objective))
        if abs(other.objective - self.evaluation.objective) > slack:
            return other.objective < self.evaluation.objective
        return (other.energy_j, other.makespan_s) < (
            self.evaluation.energy_j,
            self.evaluation.makespan_s,
        )


def _digest(placement: IntArray) -> bytes:
    return hashlib.blake2b(narrow(placement).tobytes(), digest_size=16).digest()
