"""The OpenAPI document says what the service does, and the documentation page works offline."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pytest
from typing_extensions import get_original_bases, is_typeddict

from service.app import create_app
from service.calls.messages import ARROW, BATCH_FILES, JSON
from service.calls.planner_service import PlannerService
from service.calls.schemas import (
    actuals,
    answers,
    decisions,
    explanations,
    frontier,
    information,
    plans,
    policy,
    shards,
)
from service.calls.schemas.batch_query import BatchQuery
from service.http.openapi.examples import PLAN_EXAMPLES, PREDICT_EXAMPLES
from service.settings.settings import Settings
from tests.service.bodies import call
from tests.service.server import Server

ANSWER_MODULES = (
    actuals, answers, decisions, explanations, frontier, information, plans, policy, shards
)  # fmt: skip


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    openapi: dict[str, Any] = create_app(Settings()).openapi()
    return openapi


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_generated_clients_keep_the_names_of_their_methods(document: dict[str, Any]) -> None:
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert [one["operationId"] for one in operations] == [
        "plan_plan_post", "predict_predict_post", "decide_decision_post",
        "destination_destination_post", "destination_destination__path__post",
        "prices_prices_get", "policy_policy_get", "put_policy_put", "delete_policy_delete",
        "evidence_actuals_get", "tell_actuals_post", "of_plan_plans__plan_id__actuals_get",
        "list_plans_plans_get", "status_plans__plan_id__get", "cancel_plans__plan_id__delete",
        "events_plans__plan_id__events_get", "result_plans__plan_id__result_get",
        "list_shards_plans__plan_id__shards_get", "shard_plans__plan_id__shards__index__get",
        "frontier_plan_frontier_post", "healthz_healthz_get", "readyz_readyz_get",
        "placements_placements_get", "cost_models_cost_models_get", "read_metrics_metrics_get",
    ]  # fmt: skip


def test_every_path_is_in_the_document(document: dict[str, Any]) -> None:
    assert set(document["paths"]) == {
        "/plan", "/plan/frontier", "/plans", "/plans/{plan_id}", "/plans/{plan_id}/events",
        "/plans/{plan_id}/result", "/predict", "/placements", "/cost-models", "/healthz",
        "/readyz", "/metrics", "/decision", "/destination", "/destination/{path}", "/prices",
        "/policy", "/actuals",
        "/plans/{plan_id}/actuals",
        "/plans/{plan_id}/shards",
        "/plans/{plan_id}/shards/{index}",
    }  # fmt: skip


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert "#/components/schemas/PlanRequest" in found
    for reference in found:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


@pytest.mark.parametrize("module", ANSWER_MODULES, ids=lambda module: module.__name__)
def test_every_answer_that_is_declared_is_documented(
    document: dict[str, Any], module: ModuleType
) -> None:
    kinds = [kind for kind in vars(module).values() if is_typeddict(kind)]
    bases = {base for kind in kinds for base in get_original_bases(kind)}
    declared = [k for k in kinds if k not in bases and k.__module__ == module.__name__]
    assert declared
    for kind in declared:
        documented = document["components"]["schemas"][kind.__name__]
        hints = get_type_hints(kind, include_extras=True)
        assert set(documented["properties"]) == set(hints)
        optional = {name for name, hint in hints.items() if "NotRequired[" in str(hint)}
        assert set(documented["properties"]) - set(documented["required"]) == optional


def test_every_refusal_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    responses = dict(document["paths"]["/plan"]["post"]["responses"])
    assert set(responses) == {
        "200", "202", "400", "401", "403", "406", "408", "413", "415", "421", "422", "429", "503"
    }  # fmt: skip
    assert list(responses.pop("200")["content"]) == [JSON, ARROW]
    assert list(responses.pop("202")["content"]) == [JSON]
    for response in responses.values():
        assert list(response["content"]) == ["application/problem+json"]


def test_every_path_but_health_may_ask_for_a_key(document: dict[str, Any]) -> None:
    assert "security" not in document
    assert "securitySchemes" not in document["components"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            asks = path not in {"/healthz", "/readyz"}
            assert ("401" in operation["responses"]) is asks
            assert ("429" in operation["responses"]) is asks
            assert ("408" in operation["responses"]) is ("requestBody" in operation)
            assert (operation.get("security") == []) is not asks


def test_padlocks_are_shown_where_keys_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("keys: []\n", "utf-8")
    path.chmod(0o600)
    document = create_app(Settings(api_keys_file=path)).openapi()
    assert document["security"] == [{"bearer": []}, {"header": []}]
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
    assert document["paths"]["/healthz"]["get"]["security"] == []
    ways = document["paths"]["/plan"]["post"]["security"]
    assert ways == [{"bearer": ["plan"]}, {"header": ["plan"]}]
    assert {"bearer": ["policy"]} in document["paths"]["/policy"]["put"]["security"]
    assert {"bearer": ["read"]} in document["paths"]["/policy"]["get"]["security"]


@pytest.mark.parametrize(("path", "further"), [("/plan", BATCH_FILES), ("/predict", ())])
def test_every_type_of_body_is_documented(
    document: dict[str, Any], path: str, further: tuple[str, ...]
) -> None:
    body = document["paths"][path]["post"]["requestBody"]
    assert list(body["content"]) == [JSON, ARROW, *further]
    assert "jouleplan" in body["content"][ARROW]["schema"]["description"]


def test_every_parameter_of_a_batch_file_is_documented(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/plan"]["post"]["parameters"]
    documented = {p["name"]: p for p in parameters if p["in"] == "query"}
    assert set(documented) == set(BatchQuery.model_fields)
    for parameter in documented.values():
        assert parameter["description"]
        assert "anyOf" not in parameter["schema"]


@pytest.mark.parametrize("schema", ["PlanRequest", "RequestRow", "PoolSpec", "Constraints"])
def test_every_field_of_a_body_is_described(document: dict[str, Any], schema: str) -> None:
    for name, field in document["components"]["schemas"][schema]["properties"].items():
        description = field.get("description") or any(
            "description" in f for f in field.get("anyOf", [])
        )
        assert description, f"{schema}.{name}"


def test_unknown_keys_are_ruled_out_in_the_document_too(document: dict[str, Any]) -> None:
    for name in ("PlanRequest", "PredictRequest", "RequestRow", "RequestColumns", "FleetSpec"):
        assert document["components"]["schemas"][name]["additionalProperties"] is False


@pytest.mark.parametrize("name", PLAN_EXAMPLES)
def test_the_plan_examples_of_the_document_can_be_posted(
    planner_service: PlannerService, name: str
) -> None:
    status, answer, _ = call(planner_service, PLAN_EXAMPLES[name]["value"])
    assert status == 200, answer


@pytest.mark.parametrize("name", PREDICT_EXAMPLES)
def test_the_predict_examples_of_the_document_can_be_posted(
    planner_service: PlannerService, name: str
) -> None:
    status, answer, _ = call(planner_service, PREDICT_EXAMPLES[name]["value"], "predict")
    assert status == 200, answer


def test_the_documentation_page_asks_nobody_else(server: Server) -> None:
    page = server.client.get("/docs").text
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert addresses
    for address in addresses:
        assert address.startswith("/"), address
        assert server.client.get(address).status_code == 200
    assert "//cdn" not in page
