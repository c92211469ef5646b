"""The calls of the service, from body to answer, without HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from math import isfinite
from time import perf_counter
from typing import Any, cast
from uuid import uuid4

from costmodel.catalogue import Catalogue
from planner.inputs import Limits, Objective, Unit
from planner.interruption import run_within, with_grace
from planner.problem import PlacementProblem
from planner.progress import OnProgress, Progress, ignore_progress
from planner.result import Plan, PlanWarning, SolverOptions
from planner.robustness.robust_planner import plan_robustly
from planner.time_budget import TimeBudget
from service.calls.answers import plan_chunks, predict_body
from service.calls.batch import Batch
from service.calls.building import build_problem, check_answers, check_certain, check_size, in_use
from service.calls.content import Content, collect
from service.calls.explaining import ExplanationBudget, check_explained
from service.calls.fleet.placements import Candidates, build_candidates, contradictions
from service.calls.fleet.provenance_rules import check_provenance
from service.calls.messages import ARROW, JSON, PlanTally
from service.calls.plan_terms import (
    check_figures,
    figures_asked_for,
    limits_of,
    objective_of,
    options_of,
)
from service.calls.plan_warnings import fleet_warnings, substitution_warning
from service.calls.planned_call import PlannedCall
from service.calls.prepared import PreparedCall
from service.calls.publishing import check_may_publish, check_publishable
from service.calls.reading import Call, read_call
from service.calls.schemas.calls import PlanRequest, PredictRequest
from service.calls.schemas.fleet import FleetSpec
from service.calls.unplanned import LimitPointers, placeable
from service.problems import FieldError, Problem, ProblemError, invalid
from service.wording import BODY, Spelling

Planner = Callable[[PlacementProblem, SolverOptions, OnProgress], Plan]
TimeGuard = Callable[[float], AbstractContextManager[Any]]
"""Sees to it that what is within ends some time after so many seconds, whatever it is stuck in."""


@dataclass(frozen=True)
class CallLimits:
    """How large a call may be; see the settings of the same names."""

    max_requests: int
    max_pairs: int
    max_predictions: int
    max_time_limit_s: float


@dataclass(frozen=True)
class PlannerService:
    """Answers calls from the loaded cost models.

    `fleet` serves calls that name none, and is None where the service has none of its own.
    `planner` turns a problem into a plan. `guard` limits the time that a call may take, from
    reading to writing. `spelling` is how the caller says what would mend a refusal.
    """

    catalogue: Catalogue
    fleet: Candidates | None
    limits: CallLimits
    planner: Planner = plan_robustly
    guard: TimeGuard = nullcontext
    spelling: Spelling = BODY

    def plan(
        self,
        body: Content,
        on_progress: OnProgress = ignore_progress,
        plan_id: str = "",
        *,
        warnings: Sequence[PlanWarning] = (),
        set_aside: Mapping[int, str] | None = None,
        media_type: str = JSON,
        accept: str = JSON,
        may_publish: bool = True,
    ) -> tuple[Content, PlanTally]:
        """Return the answer of `/plan` and what is to be counted of it.

        `on_progress` is called with how far the work is: besides the planner's phases there
        are ``reading``, ``predicting`` and ``writing``. `plan_id` names the plan, a random
        name where empty. `warnings` stand before those of the plan; `set_aside` says why
        requests are not to be planned, by index. `media_type` is the body's, `accept` the
        answer's. `may_publish` is whether the caller may make the plan the policy of
        decisions. A ProblemError is raised when the body is refused or there is no plan.
        """
        started = perf_counter()
        on_progress(_entered("reading", started))
        read = read_call(body, media_type, PlanRequest, self.limits.max_requests)
        check_may_publish(read.terms, may_publish=may_publish)
        if set_aside:
            read = read.without(set_aside)
        solved = self.solve(read, on_progress, plan_id, started)
        write_started = perf_counter()
        answer = collect(plan_chunks(solved, accept, warnings))
        return answer, solved.tally(perf_counter() - write_started)

    def solve(
        self, read: Call[PlanRequest], on_progress: OnProgress, plan_id: str, started: float
    ) -> PlannedCall:
        """Return the plan of a call whose reading began at `started`, by `time.perf_counter`.

        A ProblemError is raised when the call is refused or there is no plan.
        """
        check_publishable(read.terms)
        with self.guarded(read.terms):
            ready = self.prepare(
                read,
                objective_of(read.terms.objective),
                lambda: on_progress(_entered("predicting", started)),
            )
            solve_started = perf_counter()
            explaining = ExplanationBudget(ready, asked=read.terms.explain)
            with ready.planning_errors_as_problems():
                found = self.planner(ready.problem, explaining.options, on_progress)
            others = explaining.alternatives(found)
        timings_s = ready.timings(started, solve_started)
        on_progress(_written(found, started))
        return PlannedCall(read.terms, ready, found, plan_id or str(uuid4()), timings_s, others)

    def guarded(self, terms: PlanRequest) -> AbstractContextManager[Any]:
        """Return what ends the work on a call that is far beyond the limit of its time."""
        return self.guard(options_of(terms.solver, self.limits.max_time_limit_s).time_limit_s)

    def prepare(
        self,
        read: Call[Any],
        objective: Objective,
        on_predicting: Callable[[], None] = lambda: None,
        asked: Mapping[Unit, str] | None = None,
    ) -> PreparedCall:
        """Return a call as a problem of the planner; ProblemError when it is refused.

        `objective` takes the place of the call's own. `asked` has the units that are
        counted beside those of the objective and the limits, each with the pointer to where
        the call asks for it.
        """
        options = options_of(cast(PlanRequest, read.terms).solver, self.limits.max_time_limit_s)
        budget = TimeBudget(options.time_limit_s)
        ready = run_within(
            with_grace(options.time_limit_s),
            lambda: self._prepare(read, options, objective, on_predicting, asked),
        )
        if ready is None:
            detail = "The time limit was up before every request was predicted. Allow more time."
            raise ProblemError(Problem("undecided", detail, retry_after_s=1))
        return replace(ready, options=replace(options, time_limit_s=budget.left_s))

    def _prepare(
        self,
        read: Call[Any],
        options: SolverOptions,
        objective: Objective,
        on_predicting: Callable[[], None],
        asked: Mapping[Unit, str] | None,
    ) -> PreparedCall:
        call, batch = cast(PlanRequest, read.terms), read.batch
        candidates = self._candidates(call.fleet)
        self._check(batch, candidates, self.limits.max_pairs)
        check_explained(len(batch), explain=call.explain)
        limits = limits_of(call.constraints, candidates)
        check_certain(batch, limits)
        predict_started = perf_counter()
        on_predicting()
        whole = build_problem(batch, candidates, limits, objective)
        predict_s = perf_counter() - predict_started
        report = call.on_unplaceable == "report"
        kept, unplaceable = placeable(whole, batch, report=report, spelling=self.spelling)
        problem = whole.take(kept) if unplaceable else whole
        check_figures(
            problem,
            {**(asked or {}), **figures_asked_for(problem)},
            own_fleet=call.fleet is None,
        )
        warnings = [
            *check_provenance(in_use(problem), allow_mixed=call.allow_mixed_provenance),
            *substitution_warning(problem, batch.names_llms[kept]),
            *fleet_warnings(problem),
        ]
        ids = batch.ids
        return PreparedCall(
            problem,
            options,
            [ids[index] for index in kept] if unplaceable else ids,
            unplaceable,
            warnings,
            predict_s,
            LimitPointers(batch.by_row, () if call.fleet is None else candidates.pool_names),
        )

    def predict(self, body: Content, *, media_type: str = JSON, accept: str = JSON) -> Content:
        """Return the answer of `/predict`; a ProblemError when the body is refused."""
        read = read_call(body, media_type, PredictRequest, self.limits.max_requests)
        candidates = self._candidates(read.terms.fleet)
        self._check(read.batch, candidates, self.limits.max_predictions)
        problem = build_problem(read.batch, candidates, Limits(), Objective(), intervals=True)
        return predict_body(problem, fleet_warnings(problem), as_arrow=accept == ARROW)

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

    def _check(self, batch: Batch, candidates: Candidates, max_pairs: int) -> None:
        check_size(batch, len(candidates.placements), self.limits.max_requests, max_pairs)
        batch.complaints(candidates).refuse()
        check_answers(batch, self.limits.max_requests)


def _entered(phase: str, started: float) -> Progress:
    return Progress(phase, None, None, None, perf_counter() - started)


def _written(found: Plan, started: float) -> Progress:
    gap = found.gap if isfinite(found.gap) else None
    elapsed_s = perf_counter() - started
    return Progress("writing", found.objective, found.lower_bound, gap, elapsed_s)
