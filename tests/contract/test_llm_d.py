"""The manifests for llm-d: valid, and relying on the service as it is.

Kinds of Kubernetes itself are checked against its schemas. Of the others the parts in use are
checked against schemas of our own, written after the projects' references.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from service.app import create_app
from service.http.server import CUT_S
from service.settings.settings import Settings
from tests.service.server import Server, run_service

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "llm-d"
VERSION = "1.31"
BODY_TYPE = {"content-type"}
"""Says nothing of where a request goes: JSON, or the planner refuses it and the gateway goes on."""
CALL = {"model": "meta-llama/Llama-3.1-8B-Instruct", "prompt": "hello", "max_tokens": 8}

NAME = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
HEADER = {"type": "string", "pattern": r"^[a-z0-9-]+$"}
LABEL = {"type": "string", "pattern": r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"}


def strict(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> Any:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def listed(item: Any, least: int = 1, most: int = 16) -> Any:
    return {"type": "array", "items": item, "minItems": least, "maxItems": most}


TARGET = strict({"group": {"const": "gateway.networking.k8s.io"}, "kind": NAME | {"pattern": ".*"},
                 "name": NAME})  # fmt: skip
BACKEND = strict({"name": NAME}, {"group": NAME, "kind": {"type": "string"}, "port": PORT})
MATCH = strict(
    {"path": strict({"type": {"enum": ["Exact", "PathPrefix"]}, "value": {"pattern": "^/"}})},
    {"method": {"enum": ["GET", "POST"]},
     "headers": listed(strict({"name": HEADER, "value": {"type": "string"}}))},
)  # fmt: skip
SPECS = {
    ("gateway.networking.k8s.io/v1", "Gateway"): strict(
        {"gatewayClassName": NAME,
         "listeners": listed(strict({"name": NAME, "protocol": {"const": "HTTP"}, "port": PORT}))}
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): strict(
        {"parentRefs": listed(strict({"name": NAME})),
         "rules": listed(strict({"matches": listed(MATCH), "backendRefs": listed(BACKEND)}))}
    ),
    ("gateway.envoyproxy.io/v1alpha1", "ClientTrafficPolicy"): strict(
        {"targetRefs": listed(TARGET),
         "headers": strict({"earlyRequestHeaders": strict(
             {"set": listed(strict({"name": HEADER, "value": {"type": "string"}})),
              "remove": listed(HEADER)})})}
    ),
    ("gateway.envoyproxy.io/v1alpha1", "SecurityPolicy"): strict(
        {"targetRefs": listed(TARGET),
         "extAuth": strict(
             {"failOpen": {"type": "boolean"}, "recomputeRoute": {"type": "boolean"},
              "timeout": {"pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$"},
              "bodyToExtAuth": strict({"maxRequestBytes": {"type": "integer", "minimum": 1}}),
              "headersToExtAuth": listed(HEADER),
              "http": strict({"backendRefs": listed(BACKEND), "path": {"pattern": "^/"},
                              "headersToBackend": listed(HEADER)})})}
    ),
    ("inference.networking.k8s.io/v1", "InferencePool"): strict(
        {"selector": strict({"matchLabels": {"type": "object", "additionalProperties": LABEL}}),
         "targetPorts": listed(strict({"number": PORT}), most=8),
         "endpointPickerRef": strict(
             {"name": NAME, "port": strict({"number": PORT})},
             {"group": NAME, "kind": {"type": "string"},
              "failureMode": {"enum": ["FailOpen", "FailClose"]}})}
    ),
}  # fmt: skip
PICKER = strict(
    {"apiVersion": {"const": "inference.networking.x-k8s.io/v1alpha1"},
     "kind": {"const": "EndpointPickerConfig"},
     "plugins": listed(strict({"type": NAME}, {"name": NAME, "parameters": {"type": "object"}})),
     "schedulingProfiles": listed(strict(
         {"name": NAME,
          "plugins": listed(strict({"pluginRef": NAME}, {"weight": {"type": "number"}}))}))}
)  # fmt: skip


def documents() -> Iterator[dict[str, Any]]:
    for path in sorted(FOLDER.glob("*.yaml")):
        yield from (one for one in yaml.safe_load_all(path.read_text()) if one)


def one(kind: str, name: str | None = None) -> dict[str, Any]:
    [found] = [
        each
        for each in documents()
        if each["kind"] == kind and name in {None, each["metadata"]["name"]}
    ]
    return found


def test_every_manifest_keeps_to_the_schema_of_its_kind() -> None:
    kinds = set()
    for document in documents():
        kind = document["apiVersion"], document["kind"]
        kinds.add(kind)
        if kind in SPECS:
            assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
            jsonschema.validate(document["metadata"]["name"], NAME)
            jsonschema.validate(document["spec"], SPECS[kind])
        else:
            kubernetes_validate.validate(document, VERSION, strict=True)
    assert set(SPECS) < kinds


def test_no_two_manifests_have_one_name() -> None:
    names = [(document["kind"], document["metadata"]["name"]) for document in documents()]
    assert len(names) == len(set(names))


def test_the_pickers_profiles_name_plugins_that_are_there() -> None:
    config = yaml.safe_load(one("ConfigMap", "endpoint-picker")["data"]["config.yaml"])
    jsonschema.validate(config, PICKER)
    there = {plugin.get("name", plugin["type"]) for plugin in config["plugins"]}
    for profile in config["schedulingProfiles"]:
        assert {plugin["pluginRef"] for plugin in profile["plugins"]} <= there


def test_every_reference_leads_to_a_manifest_with_that_port() -> None:
    services = {d["metadata"]["name"]: d for d in documents() if d["kind"] == "Service"}
    pools = {d["metadata"]["name"]: d for d in documents() if d["kind"] == "InferencePool"}
    for pool in pools.values():
        picker = pool["spec"]["endpointPickerRef"]
        ports = services[picker["name"]]["spec"]["ports"]
        assert picker["port"]["number"] in {port["port"] for port in ports}
        args = one("Deployment", picker["name"])["spec"]["template"]["spec"]["containers"][0][
            "args"
        ]
        assert f"--pool-name={pool['metadata']['name']}" in args
    for rule in one("HTTPRoute")["spec"]["rules"]:
        assert all(backend["name"] in pools for backend in rule["backendRefs"])
    [backend] = one("SecurityPolicy")["spec"]["extAuth"]["http"]["backendRefs"]
    ports = services[backend["name"]]["spec"]["ports"]
    assert backend["port"] in {port["port"] for port in ports}
    for service in services.values():
        deployed = [
            each["spec"]["template"]["spec"]["containers"][0]["ports"]
            for each in documents()
            if each["kind"] == "Deployment"
            and each["spec"]["template"]["metadata"]["labels"] == service["spec"]["selector"]
        ]
        [ports] = deployed
        targets = {port["targetPort"] for port in service["spec"]["ports"]}
        assert targets <= {port["name"] for port in ports}


def container() -> dict[str, Any]:
    pod = one("Deployment", "jouleplan")["spec"]["template"]["spec"]
    return dict(pod["containers"][0])


def environment() -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container()["env"]}


def test_the_service_starts_with_the_settings_of_its_manifest() -> None:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("JOULEPLAN_")}
    done = run_service(inherited | environment(), "--print-config")
    assert done.returncode == 0, done.stderr
    assert environment()["JOULEPLAN_HOST"] in done.stdout
    assert container()["ports"][0]["containerPort"] == Settings().port


def test_the_pod_lives_until_the_service_has_drained_and_every_plan_has_ended() -> None:
    drain_s = float(environment()["JOULEPLAN_DRAIN_SECONDS"])
    grace_s = float(environment()["JOULEPLAN_SHUTDOWN_SECONDS"])
    assert drain_s > 0
    assert grace_s >= Settings().max_time_limit_seconds
    pod = one("Deployment", "jouleplan")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > drain_s + grace_s + CUT_S


def test_probes_paths_and_headers_are_the_services() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert "get" in paths[container()[probe]["httpGet"]["path"]]
    asked = one("SecurityPolicy")["spec"]["extAuth"]
    operation = paths[asked["http"]["path"]]["post"]
    documented = set(operation["responses"]["200"]["headers"])
    taken = {one_["name"] for one_ in operation["parameters"]}
    assert set(asked["http"]["headersToBackend"]) <= documented
    assert set(asked["headersToExtAuth"]) <= taken | BODY_TYPE


def test_clients_cannot_send_what_routes_are_chosen_by() -> None:
    early = one("ClientTrafficPolicy")["spec"]["headers"]["earlyRequestHeaders"]
    forced = {header["name"] for header in early["set"]}
    matched = {
        header["name"]
        for rule in one("HTTPRoute")["spec"]["rules"]
        for match in rule["matches"]
        for header in match.get("headers", [])
    }
    extauth = one("SecurityPolicy")["spec"]["extAuth"]
    assert matched
    assert matched <= set(early["remove"])
    assert set(extauth["headersToExtAuth"]) <= forced | set(early["remove"]) | BODY_TYPE
    assert set(extauth["http"]["headersToBackend"]) <= set(early["remove"])
    assert extauth["failOpen"]
    assert extauth["recomputeRoute"]


def backend_of(headers: Mapping[str, str], path: str = "/v1/completions") -> str:
    """Return where the HTTPRoute sends a POST: the match with most headers goes first."""
    found = [
        (-len(match.get("headers", [])), rule["backendRefs"][0]["name"])
        for rule in one("HTTPRoute")["spec"]["rules"]
        for match in rule["matches"]
        if match["path"]["value"] == path
        and all(headers.get(each["name"]) == each["value"] for each in match.get("headers", []))
    ]
    return str(min(found)[1])


@pytest.fixture(scope="module")
def planner() -> Iterator[Server]:
    settings = environment() | {
        "JOULEPLAN_HOST": "127.0.0.1", "JOULEPLAN_ACTUALS_PATH": ":memory:",
        # No gateway has to be told that it ends.
        "JOULEPLAN_DRAIN_SECONDS": "0",
    }  # fmt: skip
    with Server(settings) as running:
        running.wait_until_ready()
        yield running


def test_a_real_answer_leads_to_the_pool_that_it_names(planner: Server) -> None:
    asked = one("SecurityPolicy")["spec"]["extAuth"]
    early = one("ClientTrafficPolicy")["spec"]["headers"]["earlyRequestHeaders"]
    sent = {header["name"]: header["value"] for header in early["set"]}
    path = asked["http"]["path"] + "/v1/completions"
    answer = planner.client.post(path, json=CALL, headers=sent)
    assert answer.status_code == 200, answer.text
    copied = {name: answer.headers[name] for name in asked["http"]["headersToBackend"]}
    pool = answer.json()["placement"]["pool"]
    chosen = one("InferencePool", backend_of(copied))
    assert chosen["spec"]["selector"]["matchLabels"] == {"jouleplan.pool": pool}
    # Refused, but not denied: the last rule holds.
    refused = planner.client.post(path, json={"model": "unknown"}, headers=sent)
    assert refused.status_code == 200
    assert backend_of({}) == "h100-llama-3-1-8b"
    assert not set(asked["http"]["headersToBackend"]) & set(refused.headers)


def test_every_pool_that_has_the_llm_has_a_route(planner: Server) -> None:
    placements = planner.client.get("/placements").json()["placements"]
    pools = {each["pool"] for each in placements if each["llm"] == "llama-3.1-8b-instruct"}
    routed = {
        one("InferencePool", backend_of({"x-jouleplan-pool": pool}))["spec"]["selector"][
            "matchLabels"
        ]["jouleplan.pool"]
        for pool in pools
    }
    assert len(pools) == 2
    assert routed == pools
