"""The calls of the service, from body to answer, without HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from costmodel.catalogue import Catalogue
from service.calls.answers import plan_body, predict_body
from service.calls.batch import Batch
from service.calls.plan_terms import (
    check_figures,
    figures_asked_for,
    limits_of,
    objective_of,
    options_of,
)
from service.calls.plan_warnings import fleet_warnings, substitution_warning
from service.calls.tally import tally_plan
from service.calls.unplanned import Body, planning_problem
from service.calls.validation import parse
from service.calls.why import check_explained
from service.fleet.placements import Candidates, build_candidates, contradictions
from service.fleet.provenance_rules import check_provenance
from service.planning.errors import BoundContradictedError, InvalidProblemError, PlanningError
from service.planning.explanation.alternatives import alternatives
from service.planning.inputs import Limits, Objective, Unit
from service.planning.problem import PlacementProblem
from service.planning.progress import Progress, Watch, unwatched
from service.planning.result import Plan, PlanWarning, SolverOptions
from service.planning.robustness.robust_planner import plan_robustly
from service.problems import FieldError, Problem, ProblemError, invalid
from service.schemas.calls import PlanRequest, PredictRequest
from service.schemas.fleet import FleetSpec
from service.workers.messages import PlanTally

Planner = Callable[[PlacementProblem, SolverOptions, Watch], Plan]


@dataclass(frozen=True)
class CallLimits:
    """How large a call may be; see the settings of the same names."""

    max_requests: int
    max_pairs: int
    max_predictions: int
    max_time_limit_s: float


@dataclass(frozen=True)
class Prepared:
    """A call made ready to be planned.

    Attributes
    ----------
    ids
        Names of the problem's requests.
    unplaceable
        Requests that were left out, as they are to be listed.
    predict_s
        How long predicting took [s].
    body
        Where in the call the limits stand.
    """

    problem: PlacementProblem
    options: SolverOptions
    ids: list[str]
    unplaceable: list[dict[str, Any]]
    warnings: list[PlanWarning]
    predict_s: float
    body: Body

    @contextmanager
    def telling_why(self) -> Iterator[None]:
        """Turn what the planner could not do into a problem of the call."""
        try:
            yield
        except BoundContradictedError:
            raise
        except PlanningError as error:
            raise ProblemError(planning_problem(error, self.body)) from None


@dataclass(frozen=True)
class PlannerService:
    """Answers calls from the loaded cost models.

    Attributes
    ----------
    fleet
        Where a call names no fleet; None where the service has none of its own.
    planner
        What turns a problem into a plan.
    """

    catalogue: Catalogue
    fleet: Candidates | None
    limits: CallLimits
    planner: Planner = plan_robustly

    def plan(
        self,
        body: bytes,
        watch: Watch = unwatched,
        plan_id: str = "",
        warnings: Sequence[PlanWarning] = (),
    ) -> tuple[bytes, PlanTally]:
        """Return the answer of `/plan` and what is to be counted of it.

        Parameters
        ----------
        body
            Of the call.
        watch
            Is told how far the work is; besides the planner's phases there are ``reading``,
            ``predicting`` and ``writing``.
        plan_id
            Name of the plan; a random one where empty.
        warnings
            Of the caller, to stand before those of the plan.

        Raises
        ------
        ProblemError
            When the body is refused or there is no plan.
        """
        started = perf_counter()
        watch(_entered("reading", started))
        call = parse(body, PlanRequest)
        ready = self.prepare(
            call,
            objective_of(call.objective),
            lambda: watch(_entered("predicting", started)),
        )
        problem, solve_started = ready.problem, perf_counter()
        with ready.telling_why():
            found = self.planner(problem, ready.options, watch)
        solve_s = perf_counter() - solve_started
        watch(_written(found, started))
        answer = plan_body(
            problem,
            found,
            ready.ids,
            by_row=ready.body.by_row,
            unplaceable=ready.unplaceable,
            warnings=[*warnings, *ready.warnings, *found.warnings],
            others=alternatives(problem, found) if call.explain else None,
            predict_s=ready.predict_s,
            solve_s=solve_s,
            started=started,
            plan_id=plan_id,
        )
        return answer, tally_plan(problem, found, solve_s)

    def prepare(
        self,
        call: PlanRequest,
        objective: Objective,
        on_predicting: Callable[[], None] = lambda: None,
        asked: Mapping[Unit, str] | None = None,
    ) -> Prepared:
        """Return a call as a problem of the planner.

        Parameters
        ----------
        call
            Of which the objective is not read.
        objective
            In its place.
        on_predicting
            Called when the body is read.
        asked
            Units that are counted beside those of the objective and the limits, each with the
            pointer to where the call asks for it.

        Raises
        ------
        ProblemError
            When the call is refused.
        """
        options = options_of(call.solver, self.limits.max_time_limit_s)
        candidates = self._candidates(call.fleet)
        batch = self._batch(call, candidates, self.limits.max_pairs)
        check_explained(len(batch), explain=call.explain)
        limits = limits_of(call.constraints, candidates)
        predict_started = perf_counter()
        on_predicting()
        whole = _build(batch, candidates, limits, objective)
        predict_s = perf_counter() - predict_started
        kept, unplaceable = _placeable(whole, batch, report=call.on_unplaceable == "report")
        problem = whole.take(kept) if unplaceable else whole
        check_figures(
            problem,
            {**(asked or {}), **figures_asked_for(problem)},
            own_fleet=call.fleet is None,
        )
        warnings = [
            *check_provenance(_in_use(problem), allow_mixed=call.allow_mixed_provenance),
            *substitution_warning(problem, batch.names_llms[kept]),
            *fleet_warnings(problem),
        ]
        ids = batch.ids
        return Prepared(
            problem,
            options,
            [ids[index] for index in kept],
            unplaceable,
            warnings,
            predict_s,
            Body(batch.by_row, () if call.fleet is None else candidates.pool_names),
        )

    def predict(self, body: bytes) -> bytes:
        """Return the answer of `/predict`.

        Raises
        ------
        ProblemError
            When the body is refused.
        """
        call = parse(body, PredictRequest)
        candidates = self._candidates(call.fleet)
        batch = self._batch(call, candidates, self.limits.max_predictions)
        problem = _build(batch, candidates, Limits(), Objective())
        return predict_body(problem, fleet_warnings(problem))

    def _candidates(self, fleet: FleetSpec | None) -> Candidates:
        if fleet is None:
            if self.fleet is None or not self.fleet.placements:
                message = "The service has no usable fleet of its own: send one in the body."
                raise ProblemError(
                    Problem("not-ready", message, [FieldError("/fleet", message)], retry_after_s=5)
                )
            return self.fleet
        candidates = build_candidates(fleet, self.catalogue)
        errors = [*contradictions(fleet), *candidates.missing]
        if errors:
            raise invalid([FieldError("/fleet" + e.pointer, e.detail) for e in errors])
        return candidates

    def _batch(
        self, call: PlanRequest | PredictRequest, candidates: Candidates, max_pairs: int
    ) -> Batch:
        batch = _rows_or_columns(call)
        self._check_size(batch, len(candidates.placements), max_pairs)
        errors = batch.errors(candidates)
        if errors:
            raise invalid(errors)
        return batch

    def _check_size(self, batch: Batch, placements: int, max_pairs: int) -> None:
        where = "/requests" if batch.by_row else "/columns/input_tokens"
        n = len(batch)
        if n > self.limits.max_requests:
            message = f"Expected at most {self.limits.max_requests} requests, got {n}."
        elif n * placements > max_pairs:
            message = f"Expected at most {max_pairs} requests x placements, got {n} x {placements}."
        else:
            return
        raise ProblemError(Problem("too-large", message, [FieldError(where, message)]))


def _entered(phase: str, started: float) -> Progress:
    return Progress(phase, None, None, None, perf_counter() - started)


def _written(found: Plan, started: float) -> Progress:
    gap = found.gap if isfinite(found.gap) else None
    elapsed_s = perf_counter() - started
    return Progress("writing", found.objective, found.lower_bound, gap, elapsed_s)


def _rows_or_columns(call: PlanRequest | PredictRequest) -> Batch:
    if call.requests is not None and call.columns is None:
        return Batch.from_rows(call.requests)
    if call.columns is not None and call.requests is None:
        return Batch.from_columns(call.columns)
    got = "neither" if call.requests is None else "both"
    raise invalid([FieldError("/requests", f"Expected either requests or columns, got {got}.")])


def _build(
    batch: Batch, candidates: Candidates, limits: Limits, objective: Objective
) -> PlacementProblem:
    try:
        return PlacementProblem.build(
            batch.to_requests(candidates),
            candidates.pools,
            candidates.placements,
            limits,
            objective,
        )
    except InvalidProblemError as error:
        raise invalid([FieldError(error.pointer, str(error))]) from None


def _placeable(
    problem: PlacementProblem, batch: Batch, *, report: bool
) -> tuple[npt.NDArray[np.int64], list[dict[str, Any]]]:
    """Return the indices of the requests to plan, and the others as they are to be listed.

    Raises
    ------
    ProblemError
        422 where there are others and they are not to be listed, or there are no requests left.
    """
    reasons = problem.unplaceable()
    if reasons and (not report or len(reasons) == problem.n):
        errors = [FieldError(batch.pointer_to(i), reason) for i, reason in reasons.items()]
        detail = f"{len(reasons)} of {problem.n} requests fit no placement."
        if not report:
            detail += ' The others can be planned with "on_unplaceable": "report".'
        raise ProblemError(Problem("unplaceable", detail, errors))
    kept = np.ones(problem.n, dtype=bool)
    kept[list(reasons)] = False
    ids = batch.ids if reasons else []
    listed = [
        {"id": ids[index], "index": index, "reason": reason} for index, reason in reasons.items()
    ]
    return np.flatnonzero(kept), listed


def _in_use(problem: PlacementProblem) -> list[Any]:
    """Return the cost models of the placements that some request may take."""
    in_use = np.flatnonzero(problem.eligible.any(axis=0))
    return [problem.placements[index].cost_model for index in in_use]
