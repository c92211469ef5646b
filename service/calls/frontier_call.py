"""`POST /plan/frontier` from body to lines, without HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from time import perf_counter

import orjson

from planner.frontier.axes import AXES, Axis, AxisName, objective_for
from planner.frontier.points import Candidate, Ends, Front, FrontPoint, Step, Summary
from planner.frontier.sweep import trace
from planner.inputs import Unit
from planner.problem import PlacementProblem
from planner.reporting import OPTIMAL_GAP
from planner.result import PlanWarning
from service.calls.answers import usage_list, warning_list
from service.calls.content import Content
from service.calls.messages import JSON, OnUpdate, Update
from service.calls.planner_service import PlannerService
from service.calls.prepared import PreparedCall
from service.calls.reading import Call, read_call
from service.calls.schemas.answers import TimingsAnswer
from service.calls.schemas.frontier import (
    EndsLine,
    FrontierRequest,
    PointLine,
    ProvenTotals,
    SummaryLine,
    TotalsAnswer,
)
from service.problems import FieldError, invalid, pointer


def trace_front(
    service: PlannerService, body: Content, on_update: OnUpdate, media_type: str = JSON
) -> str:
    """Publish the lines of the answer of `/plan/frontier`, each an update; return the outcome.

    The kind of an update is its line's `type`: ``ends``, ``point`` or ``summary``. A
    ProblemError is raised when the body is refused or there is no plan: then nothing was
    published.
    """
    started = perf_counter()
    read = read_call(body, media_type, FrontierRequest, service.limits.max_requests)
    call = read.terms
    front = Front((call.frontier.axes[0], call.frontier.axes[1]), call.frontier.points)
    _check(call)
    with service.guarded(call):
        return _trace(service, read, front, started, on_update)


def _trace(
    service: PlannerService,
    read: Call[FrontierRequest],
    front: Front,
    started: float,
    on_update: OnUpdate,
) -> str:
    ready = service.prepare(read, objective_for(front.axes), asked=_figures_of(front))
    ready.warnings.extend(_unused(read.terms))
    outcome, solve_started = "complete", perf_counter()
    with ready.planning_errors_as_problems():
        for step in trace(ready.problem, front, ready.options):
            if isinstance(step, Summary):
                outcome = "cut_by_clock" if step.cut_by_clock else "complete"
            line = _line(step, front, ready, ready.timings(started, solve_started))
            on_update(Update(line["type"], orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY)))
    return outcome


def _check(call: FrontierRequest) -> None:
    """Refuse what no point of a front would keep."""
    confidence = call.constraints.confidence
    if confidence is not None:
        message = (
            f"Expected no confidence of a front, whose points are not padded, got {confidence:g}. "
            "Ask /plan for it with the limits of the point that you choose."
        )
        raise invalid([FieldError(pointer("constraints", "confidence"), message)])
    if call.publish:
        message = "Expected one plan to publish the prices of, got a front: publish the point's."
        raise invalid([FieldError("/publish", message)])


def _unused(call: FrontierRequest) -> Iterator[PlanWarning]:
    """Yield warnings about members that a front does not use."""
    if "objective" in call.model_fields_set:
        message = "A front has its axes in the place of an objective: the one given is not used."
        yield PlanWarning("objective_unused", message)
    if call.explain:
        message = "The points of a front have no assignments to explain: ask /plan for one of them."
        yield PlanWarning("explain_unused", message)


def _figures_of(front: Front) -> dict[Unit, str]:
    """Return the units that the axes count in beside joules, with pointers to the axes."""
    units = {axis: AXES[axis].unit for axis in front.axes}
    return {
        unit: pointer("frontier", "axes", front.axes.index(axis))
        for axis, unit in units.items()
        if unit is not None
    }


def _line(
    step: Step, front: Front, ready: PreparedCall, timings_s: TimingsAnswer
) -> EndsLine | PointLine | SummaryLine:
    if isinstance(step, Ends):
        return _ends(step, front, ready)
    if isinstance(step, FrontPoint):
        return _point(step, ready.problem)
    return _summary(step, timings_s)


def _ends(ends: Ends, front: Front, ready: PreparedCall) -> EndsLine:
    best = ends.least_minimised
    of_axis: dict[AxisName, ProvenTotals] = {
        ends.minimised.name: _proven(best, ends.minimised, best.bound, best.gap),
        ends.limited.name: _proven(
            ends.least_limited, ends.limited, ends.limited_bound, ends.limited_gap
        ),
    }
    return {
        "type": "ends",
        "axes": list(front.axes),
        "limited": ends.limited.name,
        "minimised": ends.minimised.name,
        "ends": [{"axis": axis, **of_axis[axis]} for axis in front.axes],
        "unplaceable": ready.unplaceable,
        "warnings": warning_list(ready.warnings),
    }


def _point(point: FrontPoint, problem: PlacementProblem) -> PointLine:
    found = point.candidate
    return {
        "type": "point",
        "index": point.index,
        **_proven(found, found.minimised, found.bound, found.gap),
        "placements": usage_list(problem, (usage for usage in found.usage if usage.requests)),
    }


def _summary(summary: Summary, timings_s: TimingsAnswer) -> SummaryLine:
    return {
        "type": "summary",
        "points": summary.points,
        "dominated": summary.dominated,
        "late": [
            {**_totals(late.candidate), "dominates": list(late.dominates)} for late in summary.late
        ],
        "unsolved": list(summary.unsolved),
        "cut_by_clock": summary.cut_by_clock,
        "timings_seconds": timings_s,
    }


def _totals(found: Candidate) -> TotalsAnswer:
    return {
        "energy_joules": found.energy.value_j,
        "makespan_seconds": found.makespan_s,
        "mean_quality": found.mean_quality,
        "carbon_grams": found.carbon_g,
        "money": found.money,
    }


def _proven(found: Candidate, axis: Axis, bound: float, gap: float) -> ProvenTotals:
    """Return the totals of a plan and how good they are proven to be on one axis."""
    value = axis.sign * bound if isfinite(bound) else None
    return {
        **_totals(found),
        "gap": gap if isfinite(gap) else None,
        "lower_bound": value if axis.sign > 0.0 else None,
        "upper_bound": value if axis.sign < 0.0 else None,
        "status": "optimal" if gap <= OPTIMAL_GAP else "feasible",
        "cut_by_clock": found.cut_by_clock,
    }
