"""Calls of `/plan/frontier` without HTTP: lines, refusals, warnings."""

import copy
import time
from typing import Any

import orjson
import pytest

from service.calls.messages import Job, OnUpdate, Reply, Update, ignore_update
from service.calls.planner_service import PlannerService
from service.calls.schemas.frontier import EndsLine, PointLine, SummaryLine
from service.workers.process import answer
from tests.service.answers import checked
from tests.service.bodies import Json, a100_fleet, call, columns, pointers, rows

SCHEMAS = {"ends": EndsLine, "point": PointLine, "summary": SummaryLine}
FRONT = {"axes": ["energy", "makespan"], "points": 4}


def body(**members: Any) -> Json:
    return {"requests": rows(6), "fleet": a100_fleet(), "frontier": FRONT, **members}


def ask(
    service: PlannerService, given: Json, on_update: OnUpdate = ignore_update
) -> tuple[Reply, list[Json]]:
    """Return the reply and the lines told before it, each checked against its schema."""
    published: list[Update] = []

    def publish(update: Update) -> None:
        published.append(update)
        on_update(update)

    reply = answer(service, Job("frontier", orjson.dumps(given), "/plan/frontier"), publish)
    lines = [orjson.loads(update.body) for update in published]
    assert [update.kind for update in published] == [line["type"] for line in lines]
    for line in lines:
        checked(line, SCHEMAS[line["type"]])
    return reply, lines


def traced(service: PlannerService, **members: Any) -> list[Json]:
    reply, lines = ask(service, body(**members))
    assert reply.status == 200, reply.body
    assert reply.outcome in {"complete", "cut_by_clock"}
    return lines


def refused(service: PlannerService, **members: Any) -> Json:
    reply, lines = ask(service, body(**members))
    assert lines == []
    problem: Json = orjson.loads(reply.body)
    assert reply.status == problem["status"] == 422
    return problem


def test_a_front_of_plans_at_a_confidence_is_refused(planner_service: PlannerService) -> None:
    problem = refused(planner_service, constraints={"deadline_seconds": 900, "confidence": 0.9})
    assert pointers(problem) == ["/constraints/confidence"]


def test_a_front_publishes_no_prices(planner_service: PlannerService) -> None:
    assert pointers(refused(planner_service, publish=True)) == ["/publish"]


def test_the_ends_come_first_then_the_points_in_order_then_the_summary(
    planner_service: PlannerService,
) -> None:
    lines = traced(planner_service)
    ends, points, summary = lines[0], lines[1:-1], lines[-1]
    assert (ends["type"], summary["type"]) == ("ends", "summary")
    assert [end["axis"] for end in ends["ends"]] == ends["axes"] == FRONT["axes"]
    assert [line["index"] for line in points] == list(range(summary["points"]))
    energy = [line["energy_joules"] for line in points]
    makespan = [line["makespan_seconds"] for line in points]
    assert energy == sorted(energy)
    assert makespan == sorted(makespan, reverse=True)
    assert energy[0] == pytest.approx(ends["ends"][0]["energy_joules"])
    assert makespan[-1] == pytest.approx(ends["ends"][1]["makespan_seconds"])
    for line in points:
        assert line["lower_bound"] <= line["energy_joules"]
        assert line["upper_bound"] is None
        assert sum(used["requests"] for used in line["placements"]) == 6


def test_quality_has_its_bound_from_above(planner_service: PlannerService) -> None:
    front = {"axes": ["makespan", "mean_quality"], "points": 3}
    lines = traced(planner_service, frontier=front)
    assert (lines[0]["limited"], lines[0]["minimised"]) == ("makespan", "mean_quality")
    for line in lines[1:-1]:
        assert line["upper_bound"] >= line["mean_quality"] - 1e-12
        assert line["lower_bound"] is None


def test_columns_are_taken_as_rows_are(planner_service: PlannerService) -> None:
    by_column = traced(planner_service, requests=None, columns=columns(6))
    by_row = traced(planner_service)
    totals = [[line["energy_joules"] for line in lines[1:-1]] for lines in (by_column, by_row)]
    assert totals[0] == totals[1]


def test_money_and_carbon_are_axes_where_the_pools_state_them(
    planner_service: PlannerService,
) -> None:
    fleet = copy.deepcopy(a100_fleet())
    fleet["pools"][0] |= {"carbon_g_per_kwh": 500.0, "price_per_device_hour": 1.0}
    fleet["pools"][1] |= {"carbon_g_per_kwh": 20.0, "price_per_device_hour": 9.0}
    front = {"axes": ["carbon", "money"], "points": 4}
    lines = traced(planner_service, fleet=fleet, frontier=front)
    points = lines[1:-1]
    assert len(points) >= 2
    assert [p["carbon_grams"] for p in points] == sorted(p["carbon_grams"] for p in points)
    assert [p["money"] for p in points] == sorted((p["money"] for p in points), reverse=True)


def test_an_axis_that_a_pool_states_no_figures_for_is_refused(
    planner_service: PlannerService,
) -> None:
    problem = refused(planner_service, frontier={"axes": ["energy", "carbon"], "points": 3})
    assert "/fleet/pools/0/carbon_g_per_kwh" in pointers(problem)
    own = refused(planner_service, fleet=None, frontier={"axes": ["money", "energy"], "points": 3})
    assert set(pointers(own)) == {"/frontier/axes/0"}


@pytest.mark.parametrize(
    ("front", "where"),
    [
        ({"axes": ["energy", "energy"]}, "/frontier/axes"),
        ({"axes": ["energy"]}, "/frontier/axes"),
        ({"axes": ["energy", "speed"]}, "/frontier/axes/1"),
        ({"axes": ["energy", "makespan"], "points": 1}, "/frontier/points"),
        ({"axes": ["energy", "makespan"], "points": 101}, "/frontier/points"),
        ({"axes": ["energy", "makespan"], "colour": 1}, "/frontier/colour"),
        ({"points": 5}, "/frontier/axes"),
    ],
)
def test_a_front_that_makes_no_sense_is_refused_with_a_pointer(
    planner_service: PlannerService, front: Json, where: str
) -> None:
    assert pointers(refused(planner_service, frontier=front)) == [where]


def test_a_call_without_a_front_is_refused(planner_service: PlannerService) -> None:
    given = body()
    del given["frontier"]
    reply, lines = ask(planner_service, given)
    assert (reply.status, lines) == (422, [])
    assert pointers(orjson.loads(reply.body)) == ["/frontier"]


def test_limits_that_no_plan_keeps_are_explained_as_by_plan(
    planner_service: PlannerService,
) -> None:
    limits = {"constraints": {"deadline_seconds": 1.0}}
    problem = refused(planner_service, **limits)
    _, as_plan, _ = call(planner_service, {"requests": rows(6), "fleet": a100_fleet(), **limits})
    for member in ("type", "conflict", "relaxations"):
        assert problem[member] == as_plan[member]


def test_an_objective_is_not_used_and_that_is_reported(planner_service: PlannerService) -> None:
    ends = traced(planner_service, objective={"zeta": 0.5})[0]
    assert "objective_unused" in {warning["code"] for warning in ends["warnings"]}
    assert "objective_unused" not in {w["code"] for w in traced(planner_service)[0]["warnings"]}


def test_points_have_nothing_to_explain_and_that_is_reported(
    planner_service: PlannerService,
) -> None:
    ends = traced(planner_service, explain=True)[0]
    assert "explain_unused" in {warning["code"] for warning in ends["warnings"]}


def test_requests_that_fit_nowhere_are_listed_where_asked(planner_service: PlannerService) -> None:
    fleet = {**a100_fleet(), "max_context_tokens": dict.fromkeys(a100_fleet()["quality"], 300)}
    ends = traced(planner_service, fleet=fleet, on_unplaceable="report")[0]
    assert [entry["index"] for entry in ends["unplaceable"]] == [3, 4, 5]


def test_a_limit_of_the_call_holds_at_every_point(planner_service: PlannerService) -> None:
    free = traced(planner_service)
    makespans = [line["makespan_seconds"] for line in free[1:-1]]
    deadline = (min(makespans) * max(makespans)) ** 0.5
    held = traced(planner_service, constraints={"deadline_seconds": deadline})
    assert len(held) > 2
    assert all(line["makespan_seconds"] <= deadline * (1 + 1e-9) for line in held[1:-1])


def test_the_time_limit_is_for_the_whole_front_and_what_it_cuts_is_reported(
    planner_service: PlannerService,
) -> None:
    limit_s = 3.0

    def publish(update: Update) -> None:
        # The ends have a part of the time, on any machine: nothing is left after them.
        if update.kind == "ends":
            time.sleep(limit_s)

    front = {"axes": ["energy", "mean_quality"], "points": 9}
    given = body(frontier=front, solver={"time_limit_seconds": limit_s})
    reply, lines = ask(planner_service, given, publish)
    summary = lines[-1]
    assert (reply.status, reply.outcome) == (200, "cut_by_clock")
    assert summary["cut_by_clock"] is True
    assert len(summary["unsolved"]) == 7
    assert summary["points"] == len(lines) - 2 == 2
