"""What Prometheus reads, parsed as it parses it."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from service.calls.messages import CostModelLabels, Description, PlacementTally, PlanTally
from service.telemetry.metrics import Metrics
from tests.service.bodies import a100_fleet, rows
from tests.service.scraped_metrics import samples, value
from tests.service.server import Server


@pytest.fixture(scope="module")
def scraped(models_dir: Path) -> str:
    environment = {"JOULEPLAN_MODELS_DIR": str(models_dir)}
    with Server(environment) as own:
        own.wait_until_ready()
        assert own.post("/plan", {"requests": rows(5)}).status_code == 200
        assert own.post("/plan", {"requests": rows(3), "fleet": a100_fleet()}).status_code == 200
        assert own.post("/plan", {"requests": []}).status_code == 422
        return own.client.get("/metrics").text


def test_the_metrics_have_the_names_and_labels_of_the_contract(scraped: str) -> None:
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(scraped):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    prefixed = {name.removeprefix("jouleplan_"): names for name, names in labels.items()}
    expected = {
        "plan_requests_total": {"status"},
        "plan_duration_seconds_count": set(),
        "plan_duration_seconds_bucket": {"le"},
        "plan_solve_duration_seconds_bucket": {"le"},
        "plan_optimality_gap_ratio": set(),
        "planned_requests_total": {"llm", "pool"},
        "planned_energy_joules_total": {"llm", "pool"},
        "planned_runtime_seconds_total": {"llm", "pool"},
        "plan_saved_energy_joules_total": {"baseline"},
        "extrapolated_requests_total": {"llm", "device"},
        "cost_model_info": {"llm", "device", "basis", "source"},
        "cost_models_loaded": set(),
        "cost_models_refused": set(),
        "async_plans": {"status"},
        "async_plans_ended_total": {"status"},
        "stored_plans": set(),
        "stored_plan_bytes": set(),
        "build_info": {"version"},
    }
    assert {name: prefixed.get(name) for name in expected} == expected
    assert all(name.startswith("jouleplan_") for name in labels)


def test_plans_are_counted_by_outcome_and_requests_by_place(scraped: str) -> None:
    found = samples(scraped)
    good = sum(
        v
        for (name, labels), v in found.items()
        if name == "jouleplan_plan_requests_total"
        and dict(labels)["status"] in {"optimal", "feasible"}
    )
    assert good == 2
    assert value(found, "plan_requests_total", status="invalid-request") == 1
    assert value(found, "plan_duration_seconds_count") == 3
    assert value(found, "plan_solve_duration_seconds_count") == 2
    planned = [v for (name, _), v in found.items() if name == "jouleplan_planned_requests_total"]
    assert sum(planned) == 8


def test_what_the_fleet_has_is_counted_from_zero_on(scraped: str) -> None:
    found = samples(scraped)
    where = {labels for name, labels in found if name == "jouleplan_planned_requests_total"}
    fleet = {labels for labels in where if ("llm", "other") not in labels}
    assert fleet
    for name in ("decided_output_tokens", "measured_requests", "measured_energy_joules"):
        assert {found[f"jouleplan_{name}_total", labels] for labels in fleet} == {0.0}
    for pool in {dict(labels)["pool"] for labels in fleet}:
        assert value(found, "metered_energy_joules_total", pool=pool) == 0
    assert value(found, "plan_requests_total", status="overloaded") == 0


def test_names_that_the_configured_fleet_has_not_are_other(scraped: str) -> None:
    found = samples(scraped)
    assert value(found, "planned_requests_total", llm="other", pool="other") == 3
    assert "llama-2" not in re.sub(r"cost_model_info\{.*", "", scraped)
    assert value(found, "cost_models_loaded") == 5


def test_two_apps_do_not_share_a_registry() -> None:
    first, second = (Metrics(CollectorRegistry(), "1") for _ in range(2))
    first.count_call("optimal", 0.1, None)
    counted = b'plan_requests_total{status="optimal"} 1.0'
    assert counted in generate_latest(first.registry)
    assert counted not in generate_latest(second.registry)


def test_what_a_plan_saves_and_extrapolates_is_counted() -> None:
    metrics = Metrics(CollectorRegistry(), "1")
    metrics.describe(
        Description(
            b"",
            b"",
            cost_models=(CostModelLabels("a", "1xh100", "kv_on", "s"),),
            refused=({"path": "x", "kind": "unsafe", "reason": "y"},),
            llms=frozenset({"a"}),
            pools=frozenset({"p"}),
            devices=frozenset({"1xh100"}),
        )
    )
    part = PlacementTally("a", "p", "1xh100", 4, 10.0, 2.0, 3)
    for _ in range(2):
        metrics.count_call(
            "feasible", 0.2, PlanTally("feasible", 0.01, 0.1, (part,), {"round_robin": 5.0})
        )
    found = samples(generate_latest(metrics.registry).decode())
    assert value(found, "planned_requests_total", llm="a", pool="p") == 8
    assert value(found, "planned_energy_joules_total", llm="a", pool="p") == 20
    assert value(found, "planned_runtime_seconds_total", llm="a", pool="p") == 4
    assert value(found, "extrapolated_requests_total", llm="a", device="1xh100") == 6
    assert value(found, "plan_saved_energy_joules_total", baseline="round_robin") == 10
    assert value(found, "plan_optimality_gap_ratio") == 0.01
    assert value(found, "cost_models_refused") == 1
