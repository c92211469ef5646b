"""Which plans publish prices for single decisions, and which prices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from costmodel.artefact import save
from planner.problem import PlacementProblem
from planner.progress import OnProgress
from planner.result import Plan, SolverOptions
from planner.robustness.robust_planner import plan_robustly
from service.calls.fleet.decision_table import decision_rows
from service.calls.messages import Job, PublishedPrices
from service.calls.planner_service import PlannerService
from service.calls.schemas.decisions import CandidateBody, DecisionBody
from service.decisions.decision_service import DecisionService
from service.decisions.policy import policy_of
from service.settings.settings import Settings
from service.workers.process import answer, load_service
from tests.costmodel.builders import kv_on_cost_model
from tests.service.bodies import call, pointers

FLEET = """\
quality: {qwen3-8b: 0.6, qwen3-32b: 0.8}
pools:
  - {name: small, device: 1xh100, count: 4, llms: [qwen3-8b], concurrency: [1],
     resident: [qwen3-8b], carbon_g_per_kwh: 300, price_per_kwh: 0.2}
  - {name: large, device: 2xh100, count: 4, llms: [qwen3-32b], concurrency: [1],
     resident: [qwen3-32b], carbon_g_per_kwh: 30, price_per_kwh: 0.2}
"""
LLMS = ("qwen3-8b", "qwen3-32b")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> PlannerService:
    folder: Path = tmp_path_factory.mktemp("models")
    twice = tuple(2 * value for value in kv_on_cost_model().energy_coefficients)
    save(kv_on_cost_model(), folder)
    save(
        kv_on_cost_model(llm="qwen3-32b", device="2xh100", num_gpus=2, energy_coefficients=twice),
        folder,
    )
    (folder / "fleet.yaml").write_text(FLEET)
    return load_service(Settings(models_dir=folder))[0]


def batch(count: int = 40, **more: Any) -> dict[str, Any]:
    columns = {
        "input_tokens": [100 + 20 * i for i in range(count)],
        "output_tokens": [50 + 10 * (i % 7) for i in range(count)],
    }
    return {"columns": columns, "publish": True, "allow_mixed_provenance": True} | more


def planned(
    service: PlannerService, body: dict[str, Any]
) -> tuple[dict[str, Any], PublishedPrices | None]:
    reply = answer(service, Job("plan", orjson.dumps(body), "/plan", plan_id="p"))
    assert isinstance(reply.body, bytes)
    assert reply.status == 200, reply.body
    assert reply.tally is not None
    return orjson.loads(reply.body), reply.tally.published


@pytest.mark.parametrize(
    ("objective", "pointer"),
    [
        ({"zeta": 0}, "/objective/zeta"),
        ({"minimise": "carbon"}, "/objective/minimise"),
        ({"minimise": "money"}, "/objective/minimise"),
        ({"minimise": "money", "zeta": 0.5}, "/objective/minimise"),
    ],
)
def test_an_objective_without_joules_has_no_prices_to_publish(
    service: PlannerService, objective: dict[str, Any], pointer: str
) -> None:
    status, problem, _ = call(service, batch(objective=objective))
    assert status == 422
    assert pointers(problem) == [pointer]
    unpublished = batch(objective=objective, publish=False)
    assert call(service, unpublished)[0] == 200


def without_prices(problem: PlacementProblem, options: SolverOptions, watch: OnProgress) -> Plan:
    """Plan as where the clock ended the bound before its first prices."""
    return replace(plan_robustly(problem, options, watch), shadow_prices=(), row_prices={})


def codes(answer: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in answer["warnings"]}


def test_prices_that_were_not_found_are_not_published_as_zeros(service: PlannerService) -> None:
    late = replace(service, planner=without_prices)
    limits = {"constraints": {"deadline_seconds": 3600, "min_mean_quality": 0.7}}
    answer, published = planned(late, batch(**limits))
    assert published is None
    assert "prices_unknown" in codes(answer)
    assert "prices_unknown" not in codes(planned(late, batch(**limits, publish=False))[0])
    answer, published = planned(service, batch(**limits))
    assert published is not None
    assert published.joules_per_quality_token > 0
    assert "prices_unknown" not in codes(answer)


def test_a_plan_without_limits_publishes_prices_of_zero(service: PlannerService) -> None:
    answer, published = planned(service, batch())
    assert published == PublishedPrices("p", {}, 0.0, None)
    assert "prices_unknown" not in codes(answer)


def test_prices_beyond_all_numbers_are_not_published(service: PlannerService) -> None:
    answer, published = planned(service, batch(objective={"zeta": 5e-324}))
    assert published is None
    assert "prices_unknown" in codes(answer)


@pytest.mark.parametrize("zeta", [0.1, 0.2, 0.3, 0.5, 1.0])
def test_decisions_weigh_quality_as_the_objective_does(
    service: PlannerService, zeta: float
) -> None:
    body = batch(objective={"zeta": zeta}, solver={"relative_gap": 0})
    answer, published = planned(service, body)
    assert published is not None
    assert service.fleet is not None
    decisions = DecisionService()
    decisions.load(decision_rows(service.fleet))
    decisions.publish(policy_of(published, 0.0, 1e12))
    llms = [answer["placements"][index]["llm"] for index in answer["columns"]["placement"]]
    decided = [
        decisions.decide(
            DecisionBody(
                input_tokens=tin,
                output_tokens=tout,
                candidates=[CandidateBody(llm=llm) for llm in LLMS],
            )
        ).chosen.cost.row.llm
        for tin, tout in zip(*(body["columns"][key] for key in ("input_tokens", "output_tokens")),
                             strict=True)
    ]  # fmt: skip
    assert decided == llms
