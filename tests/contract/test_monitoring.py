"""Rules, alerts and the dashboard: covered by tests, and of metrics that the service has."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from service.decisions.metrics import DecisionMetrics
from service.problems import PROBLEM_TYPES
from service.telemetry.metrics import Metrics
from tests.contract.pages import anchors

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS, GRAFANA = ROOT / "deploy/prometheus", ROOT / "deploy/grafana"
GROUPS = yaml.safe_load((PROMETHEUS / "rules.yml").read_text("utf-8"))["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"]: rule for rule in RULES if "record" in rule}
RULES_TEST = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text("utf-8"))["tests"]
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboard.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
DOCS_ADDRESS = "{{ $externalLabels.jouleplan_docs }}"
STRING = re.compile(r'"[^"]*"')
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
SELECTOR = re.compile(r"(jouleplan_\w+)\{([^}]*)\}")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def titled(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def variables() -> Iterator[dict[str, Any]]:
    yield from (one for one in DASHBOARD["templating"]["list"] if one["type"] == "query")


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    for panel in PANELS:
        yield from (target["expr"] for target in panel["targets"])
    yield from (variable["definition"] for variable in variables())
    for test in RULES_TEST:
        yield from (series["series"] for series in test["input_series"])
        yield from (one["expr"] for one in test.get("promql_expr_test", ()))


def names_in(expression: str) -> set[str]:
    """Return the names of our metrics and records in an expression."""
    return {name for name in NAME.findall(STRING.sub("", expression)) if "jouleplan_" in name}


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """Names of all samples of the service's registry, `_created` ones left out."""
    registry = CollectorRegistry()
    DecisionMetrics(registry, Metrics(registry, "1").labels)
    return {
        family.name + suffix for family in registry.collect() for suffix in SUFFIXES[family.type]
    }


def test_names_are_found_in_an_expression() -> None:
    expression = 'sum by (job) (rate(jouleplan_a_total{x="jouleplan_b"}[5m])) / job:jouleplan_c:d'
    assert names_in(expression) == {"jouleplan_a_total", "job:jouleplan_c:d"}


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_metric_that_is_asked_for_exists(expression: str, exposed: set[str]) -> None:
    assert names_in(expression) - exposed - set(RECORDED) == set()


def test_every_label_that_is_selected_by_belongs_to_its_metric() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text("utf-8")
    labels = {
        name: set(re.findall(r"`(\w+)`", row[1]))
        for row in re.findall(r"^\| (`jouleplan_[^|]*) \|[^|]*\| ([^|]*)\|", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row[0])
    }
    asked = [found for expression in expressions() for found in SELECTOR.findall(expression)]
    assert len(asked) > 100
    for name, selector in asked:
        known = labels.get(re.sub(r"_(bucket|sum|count)$", "", name))
        if known is not None:
            used = set(re.findall(r"(\w+)\s*[=!]~?", STRING.sub("", selector)))
            assert used <= known | {"job", "instance", "le"}, name


def test_failures_of_plans_are_the_refusals_that_are_no_fault_of_the_call() -> None:
    expression = RECORDED["job:jouleplan_plan_requests_failed:ratio_rate5m"]["expr"]
    matched = re.search(r'status=~"([^"]+)"', expression)
    assert matched is not None
    faults = {slug for slug, (status, _) in PROBLEM_TYPES.items() if status >= 500}
    assert set(matched[1].split("|")) == faults | {"overloaded"}


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_is_tested_where_it_fires_and_where_it_does_not(name: str) -> None:
    tests = [one for test in RULES_TEST for one in test.get("alert_rule_test", ())]
    fires = [bool(one["exp_alerts"]) for one in tests if one["alertname"] == name]
    assert set(fires) == {True, False}


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_series_is_tested_busy_and_idle(name: str) -> None:
    tests = [
        (test["name"], one)
        for test in RULES_TEST
        for one in test.get("promql_expr_test", ())
        if name in names_in(one["expr"])
    ]
    assert any(one["exp_samples"] for scene, one in tests if scene.startswith("busy, "))
    assert any(scene.startswith("idle") for scene, _ in tests)
    idle = [one for scene, one in tests if scene.startswith("idle")]
    assert all(sample["value"] == 0 for one in idle for sample in one["exp_samples"])


def test_no_test_is_of_a_rule_that_is_not_there() -> None:
    tested = {one["alertname"] for test in RULES_TEST for one in test.get("alert_rule_test", ())}
    assert tested == set(ALERTS)


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_every_alert_waits_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"[1-9]\d*[mh]", rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert "$value" in annotations["description"]
    address, _, anchor = annotations["runbook_url"].partition("#")
    assert address.startswith(DOCS_ADDRESS)
    page = address.removeprefix(DOCS_ADDRESS)
    assert anchor == rule["alert"].lower()
    assert anchor in anchors(ROOT / page)


def test_records_are_named_by_level_metric_and_operation() -> None:
    for name, rule in RECORDED.items():
        level, metric, operation = name.split(":")
        assert metric.startswith("jouleplan_")
        kept = re.search(r"by \(([^)]*)\)", rule["expr"])
        assert kept is not None
        assert level.split("_") == [one for one in kept[1].split(", ") if one != "le"], name
        windows = set(re.findall(r"\[(\w+)\]", rule["expr"]))
        assert {re.sub(r"^.*?(\d+[mh])$", r"\1", operation)} == windows, name


def test_prometheus_finds_its_rules_where_compose_mounts_them() -> None:
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    mounted = dict(one.split(":")[:2] for one in COMPOSE["prometheus"]["volumes"])
    folder = mounted["./deploy/prometheus/prometheus.yml"].removesuffix("/prometheus.yml")
    for name in configuration["rule_files"]:
        assert mounted[f"./deploy/prometheus/{name}"] == f"{folder}/{name}"


def test_grafana_knows_the_prometheus_of_the_compose_file() -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())
    source = provisioned["datasources"][0]
    name, port = source["url"].removeprefix("http://").split(":")
    assert COMPOSE[name]["ports"][0].endswith(f":{port}")
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    assert source["jsonData"]["timeInterval"] == configuration["global"]["scrape_interval"]


def test_panels_have_numbers_and_places_of_their_own() -> None:
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    taken: dict[tuple[int, int], str] = {}
    for panel in everything:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24, panel["title"]
        columns, lines = range(place["w"]), range(place["h"])
        assert columns
        assert lines
        for x, y in itertools.product(columns, lines):
            cell = place["x"] + x, place["y"] + y
            assert taken.setdefault(cell, panel["title"]) == panel["title"]


@pytest.mark.parametrize("panel", PANELS, ids=titled)
def test_every_panel_says_what_it_shows_and_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}"
    assert panel["targets"]
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)
    for target in panel["targets"]:
        assert names_in(target["expr"]) or "ALERTS{" in target["expr"]
        assert target["datasource"] == panel["datasource"]
        assert "job" not in target["expr"] or 'job=~"$job"' in target["expr"]


def test_titles_and_names_of_variables_are_given_once() -> None:
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(set(titles)) == len(titles)
    given = {one["name"] for one in DASHBOARD["templating"]["list"]}
    assert given == {"datasource", "job", "llm", "pool"}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"])))
    assert used - {"__rate_interval", "__range"} == given
