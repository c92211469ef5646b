"""A real Prometheus scrapes a real service."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
SERIES = {
    "jouleplan_plan_requests_total",
    "jouleplan_plan_duration_seconds_bucket",
    "jouleplan_plan_solve_duration_seconds_bucket",
    "jouleplan_plan_optimality_gap_ratio",
    "jouleplan_planned_requests_total",
    "jouleplan_planned_energy_joules_total",
    "jouleplan_planned_runtime_seconds_total",
    "jouleplan_plan_saved_energy_joules_total",
    "jouleplan_extrapolated_requests_total",
    "jouleplan_cost_model_info",
    "jouleplan_cost_models_loaded",
    "jouleplan_build_info",
}

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def plan(service_url: str, small_batch: dict[str, Any]) -> dict[str, Any]:
    """The one plan that the service has made."""
    answer = httpx.post(f"{service_url}/plan", json=small_batch, timeout=60.0)
    return dict(answer.raise_for_status().json())


def _value_once_scraped(prometheus_url: str, expression: str, wanted: float) -> float:
    """Ask until the wanted value was scraped, 20 s at most; return the last answer."""
    begin, value = time.perf_counter(), float("nan")
    while value != pytest.approx(wanted) and time.perf_counter() - begin < 20.0:
        time.sleep(0.2)
        answer = httpx.get(f"{prometheus_url}/api/v1/query", params={"query": expression})
        result = answer.raise_for_status().json()["data"]["result"]
        value = float(result[0]["value"][1]) if result else float("nan")
    return value


def _total(plan: dict[str, Any], field: str) -> float:
    return float(sum(placement[field] for placement in plan["placements"]))


def test_prometheus_sees_that_the_service_is_up(prometheus_url: str) -> None:
    assert _value_once_scraped(prometheus_url, 'up{job="jouleplan"}', 1.0) == 1.0


def test_prometheus_counts_the_requests_that_were_planned(
    prometheus_url: str, plan: dict[str, Any], small_batch: dict[str, Any]
) -> None:
    placed = len(small_batch["requests"])
    expression = "sum(jouleplan_planned_requests_total)"
    assert _total(plan, "requests") == placed
    assert _value_once_scraped(prometheus_url, expression, placed) == placed


def test_prometheus_counts_the_joules_of_the_plan(
    prometheus_url: str, plan: dict[str, Any]
) -> None:
    joules = _total(plan, "energy_joules")
    expression = "sum(jouleplan_planned_energy_joules_total)"
    assert _value_once_scraped(prometheus_url, expression, joules) == pytest.approx(joules)


def test_all_published_series_are_scraped(prometheus_url: str, plan: dict[str, Any]) -> None:
    expression = "sum(jouleplan_planned_requests_total)"
    _value_once_scraped(prometheus_url, expression, _total(plan, "requests"))
    names = httpx.get(f"{prometheus_url}/api/v1/label/__name__/values").json()["data"]
    assert SERIES - set(names) == set()


def test_promtool_finds_nothing_to_say_about_the_metrics(service_url: str) -> None:
    exposed = httpx.get(f"{service_url}/metrics").raise_for_status().text
    finished = subprocess.run(
        ["promtool", "check", "metrics"], input=exposed, text=True, capture_output=True, check=False
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_promtool_accepts_the_configuration() -> None:
    configuration = ROOT / "deploy/prometheus/prometheus.yml"
    subprocess.run(["promtool", "check", "config", configuration], check=True, capture_output=True)
