"""A call that was read, predicted and checked: what the planner needs, and what the answer does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from planner.errors import BoundContradictedError, PlanningError
from planner.problem import PlacementProblem
from planner.result import PlanWarning, SolverOptions
from service.calls.schemas.answers import TimingsAnswer, UnplaceableAnswer
from service.calls.unplanned import LimitPointers, planning_problem
from service.problems import ProblemError


@dataclass(frozen=True)
class PreparedCall:
    """A call made ready to be planned.

    `ids` are the names of the problem's requests, and `unplaceable` those left out, as answers
    list them. Predicting took `predict_s`. `pointers` lead to where in the call the limits
    stand.
    """

    problem: PlacementProblem
    options: SolverOptions
    ids: Sequence[str]
    unplaceable: list[UnplaceableAnswer]
    warnings: list[PlanWarning]
    predict_s: float
    pointers: LimitPointers

    def timings(self, started: float, solve_started: float) -> TimingsAnswer:
        """Return how long the parts of the call took until now, by their `perf_counter` [s]."""
        now = perf_counter()
        return {
            "parse": solve_started - started - self.predict_s,
            "predict": self.predict_s,
            "solve": now - solve_started,
            "total": now - started,
        }

    @contextmanager
    def planning_errors_as_problems(self) -> Iterator[None]:
        """Turn what the planner could not do into a problem of the call."""
        try:
            yield
        except BoundContradictedError:
            raise
        except PlanningError as error:
            raise ProblemError(planning_problem(error, self.pointers)) from None
