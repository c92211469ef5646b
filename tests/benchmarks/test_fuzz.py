"""The checks of fuzzed calls: each notices an answer that was made wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.fuzz.calls import FuzzCase, read_answer, strict
from benchmarks.fuzz.catalogue import read_catalogue
from benchmarks.fuzz.plans import check_plan
from benchmarks.fuzz.question import Question
from benchmarks.fuzz.refusals import check_refusal, with_limit
from service.calls.content import to_bytes
from service.calls.messages import Job
from service.calls.planner_service import PlannerService
from service.settings.settings import Settings
from service.workers.process import answer, load_service
from tests.service.bodies import a100_fleet, rows
from tests.service.catalogue_maker import write_catalogue

Json = dict[str, Any]
LIMITS = {
    "deadline_seconds": 4000.0,
    "max_energy_joules": 1e9,
    "min_mean_quality": 0.52,
    "shares": {"llama-2-7b-chat": {"min": 0.25}},
    "horizon_seconds": 5000.0,
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> tuple[PlannerService, Json]:
    folder = write_catalogue(tmp_path_factory.mktemp("models"))
    loaded, description = load_service(Settings(models_dir=folder))
    return loaded, json.loads(description.cost_models_body)


def case(**limits: Any) -> FuzzCase:
    fleet = a100_fleet(
        power_policy="always_on",
        carbon_g_per_kwh=300.0,
        price_per_device_hour=2.0,
        available_seconds=9000.0,
    )
    fleet["pools"][1] |= {
        "carbon_g_per_kwh": 20.0,
        "price_per_kwh": 0.3,
        "activation_joules": 5000.0,
        "activation_seconds": 20.0,
    }
    requests = [{**row, "deadline_seconds": 6000.0} for row in rows(8)]
    terms = {
        "constraints": {**LIMITS, **limits},
        "objective": {"zeta": 0.7},
        "solver": {"time_limit_seconds": 5.0},
        "explain": True,
    }
    return FuzzCase(fleet, requests, terms)


def called(service: PlannerService, asked: FuzzCase, kind: Any) -> tuple[int, Json]:
    body = asked.body()
    if kind == "predict":
        body = json.dumps({"requests": asked.rows, "fleet": asked.fleet}).encode()
    reply = answer(service, Job(kind, body, f"/{kind}"))
    return reply.status, read_answer(to_bytes(reply.body), "application/json")


@pytest.fixture(scope="module")
def planned(service: tuple[PlannerService, Json]) -> tuple[Question, Json]:
    asked = case()
    status, predicted = called(service[0], asked, "predict")
    assert status == 200, predicted
    status, found = called(service[0], asked, "plan")
    assert status == 200, found
    return Question(asked, read_catalogue(service[1]), predicted), found


def test_a_plan_of_the_service_holds(planned: tuple[Question, Json]) -> None:
    asked, found = planned
    assert found["energy_joules"]["idle"] > 0.0
    assert check_plan(asked, found) == []


def scaled(*path: Any, by: float = 1.001) -> Callable[[Json], None]:
    def spoil(found: Json) -> None:
        *way, last = path
        there: Any = found
        for step in way:
            there = there[step]
        there[last] *= by

    return spoil


def swapped(found: Json) -> None:
    first, second = found["assignments"][:2]
    first["id"], second["id"] = second["id"], first["id"]


def beaten(found: Json) -> None:
    baseline = next(b for b in found["baselines"] if b["feasible"])
    plan = found["energy_joules"]["value"]
    baseline["energy_joules"] = 0.5 * plan
    baseline["saving_ratio"] = baseline["cost_saving_ratio"] = -1.0


def proven(found: Json) -> None:
    found["status"] = "optimal" if found["status"] == "feasible" else "feasible"


def dropped(found: Json) -> None:
    found["shadow_prices"].pop(0)


def left_out(found: Json) -> None:
    found["assignments"].pop()


SPOILT: dict[str, Callable[[Json], None]] = {
    **{
        f"energy {part}": scaled("energy_joules", part)
        for part in ("value", "requests", "loading", "idle")
    },
    "an interval": scaled("energy_joules", "low", by=1e3),
    "carbon": scaled("carbon_grams"),
    "money": lambda found: found.update(money=1.0),
    "makespan": scaled("makespan_seconds"),
    "mean quality": scaled("mean_quality"),
    "objective": scaled("objective"),
    "a bound above": lambda found: found.update(lower_bound=found["objective"] + 0.1),
    "absolute gap": lambda found: found.update(absolute_gap=found["absolute_gap"] + 0.01),
    "status": proven,
    "a start": lambda found: scaled("assignments", -1, "start_seconds")(found)
    or found["assignments"][0].update(start_seconds=1.5),
    "a runtime": scaled("assignments", 0, "runtime_seconds"),
    "an assignment's joules": scaled("assignments", 0, "energy_joules"),
    "a device": lambda found: found["assignments"][0].update(device_index=7),
    "ids": swapped,
    "a request": left_out,
    "busy seconds": lambda found: found["placements"][0].update(
        busy_seconds=found["placements"][0]["busy_seconds"] + 1.0
    ),
    "utilisation": lambda found: found["placements"][0].update(utilisation=0.123),
    "a count": lambda found: found["placements"][0].update(requests=100),
    "a baseline": beaten,
    "a saving": lambda found: next(b for b in found["baselines"] if b["feasible"]).update(
        saving_ratio=0.987
    ),
    "a normaliser": scaled("normalisers", "energy_joules"),
    "a price": dropped,
    "joules of an alternative": scaled(
        "assignments", 0, "alternatives", 0, "extra_joules", by=1.5
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_made_wrong_is_found(planned: tuple[Question, Json], name: str) -> None:
    asked, found = planned
    spoilt = copy.deepcopy(found)
    SPOILT[name](spoilt)
    assert spoilt != found
    assert check_plan(asked, spoilt)


BROKEN: dict[str, Any] = {
    "deadline_seconds": 1.0,
    "max_energy_joules": 1.0,
    "min_mean_quality": 0.64,
    "shares": {"llama-2-7b-chat": {"min": 1.0}},
    "min_requests": {"llama-2-70b-chat": 8},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_plan_that_breaks_a_limit_is_found(planned: tuple[Question, Json], name: str) -> None:
    asked, found = planned
    stricter = copy.copy(asked)
    stricter.constraints = {**asked.constraints, name: BROKEN[name]}
    assert check_plan(stricter, found)


def test_a_refusal_that_contradicts_itself_is_found(
    service: tuple[PlannerService, Json], planned: tuple[Question, Json]
) -> None:
    asked = case(deadline_seconds=1.0)
    status, problem = called(service[0], asked, "plan")
    assert status == 422, problem
    question = Question(asked, read_catalogue(service[1]), planned[0].predicted)
    assert check_refusal(question, status, problem) == []
    [entry] = problem["relaxations"]
    mended = with_limit(asked, entry["constraint"], entry["needed"])
    assert called(service[0], mended, "plan")[0] == 200
    entry["needed_lower_bound"] = 2.0 * entry["needed"]
    assert check_refusal(question, status, problem)
    assert check_refusal(question, 500, {**problem, "status": 500})


def test_numbers_that_json_has_not_are_refused() -> None:
    for text in (b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1, "a": 2}'):
        with pytest.raises(ValueError, match="Expected"):
            strict(text)
