"""Every panel of the dashboard and every rule, on a real Prometheus that scrapes a real service."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from costmodel.artefact import save
from examples.local_service import running_service
from tests.costmodel.builders import kv_on_cost_model
from tests.integration.prometheus_server import (
    SHIPPED,
    PrometheusServer,
    eventually,
    running_prometheus,
)
from tests.service.server import Server

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text("utf-8"))
VARIABLES = [one for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [
    pytest.param(target, id=f"{panel['title']}-{target['refId']}")
    for panel in PANELS
    for target in panel["targets"]
]
LLM, POOL, DEVICE = "llama-3.1-8b-instruct", "h100-llama-3.1-8b", "1xh100"
TOKENS = {"input_tokens": 200, "output_tokens": 100}
FALLBACK, PLANNED = 10, 60
ENERGY_RATIO, RUNTIME_RATIO = 1.5, 4.0
"""Joules are corrected from fifty actuals on; so large a ratio of runtimes is drift for good."""
EMPTY = {
    "job_pool:jouleplan_apportioned_energy:ratio_rate1h": "nothing is metered, so no joules to "
    "share out: a share of nothing has no value",
}

pytestmark = pytest.mark.heavy


@dataclass(frozen=True)
class Watched:
    """What the service did while a Prometheus watched, and when it began [Unix time, s]."""

    prometheus: PrometheusServer
    plans: list[dict[str, Any]]
    decided_j: list[float]
    measured_j: list[float]
    began_s: float


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, small_batch: dict[str, Any]
) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("prometheus")
    settings = {"JOULEPLAN_WORKERS": "1"}
    with running_service(settings) as service, running_prometheus(folder, service) as url:
        prometheus, began_s = PrometheusServer(url), time.time()
        assert eventually(lambda: prometheus.instant("jouleplan_decisions_total"), bool)
        with httpx.Client(base_url=service, timeout=60.0) as client:
            decided_j, measured_j = _decide_and_tell(client, FALLBACK)
            plans = [_post(client, "/plan", small_batch | {"publish": True})]
            more = _decide_and_tell(client, PLANNED)
            plans.append(_background(client, small_batch))
            front = {"axes": ["energy", "mean_quality"], "points": 3}
            few = {"requests": small_batch["requests"][:5], "frontier": front}
            client.post("/plan/frontier", json=few).raise_for_status()
        watched = Watched(prometheus, plans, decided_j + more[0], measured_j + more[1], began_s)
        counted = "sum(jouleplan_frontier_duration_seconds_count)"
        assert eventually(lambda: prometheus.instant(counted), lambda found: found[0][1] > 0)
        yield watched


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


def _decide_and_tell(client: httpx.Client, count: int) -> tuple[list[float], list[float]]:
    """Decide, tell what came of each at once, and return the joules predicted and told."""
    decided, reported = [], []
    asked = {"candidates": [{"llm": LLM, "pool": POOL}], **TOKENS}
    for _ in range(count):
        made = _post(client, "/decision", asked)
        placement, correction = made["placement"], made["placement"]["correction"]
        joules, seconds = (
            placement[name]["value"] for name in ("energy_joules", "runtime_seconds")
        )
        decided.append(joules)
        reported.append(ENERGY_RATIO * joules / correction["energy"])
        actual = {
            "decision_id": made["decision_id"],
            "llm": LLM,
            "pool": POOL,
            **TOKENS,
            "runtime_seconds": RUNTIME_RATIO * seconds / correction["runtime"],
            "energy_joules": reported[-1],
        }
        assert _post(client, "/actuals", {"actuals": [actual]})["accepted"] == 1
    return decided, reported


def _background(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/plan", json=body, headers={"prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    path = f"/plans/{answer.json()['plan_id']}/result"
    result = eventually(lambda: client.get(path), lambda got: got.status_code != 409)
    return dict(result.raise_for_status().json())


def as_grafana_asks(expression: str, chosen: dict[str, str]) -> str:
    """Put in what Grafana does for a range of three minutes and our provisioned data source."""
    found = expression.replace("$__rate_interval", "1m").replace("$__range", "180s")
    for name, value in chosen.items():
        found = found.replace(f"${name}", value)
    assert "$" not in found, found
    return found


ALL = {one["name"]: one["allValue"] for one in VARIABLES}
ONE = {"job": "(jouleplan|other-job)", "llm": LLM, "pool": f"({POOL}|b200-llama-3.1-8b)"}


@pytest.mark.parametrize("chosen", [ALL, ONE], ids=["all", "some"])
@pytest.mark.parametrize("target", QUERIES)
def test_every_query_of_every_panel_has_data(
    watched: Watched, target: dict[str, Any], chosen: dict[str, str]
) -> None:
    expression = as_grafana_asks(target["expr"], chosen)

    def ask() -> list[Any]:
        if target["instant"]:
            return list(watched.prometheus.instant(expression))
        return list(watched.prometheus.ranged(expression, watched.began_s))

    empty = next((why for name, why in EMPTY.items() if name in expression), None)
    if empty is None:
        assert eventually(ask, bool), expression
    else:
        assert ask() == [], empty


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable["name"])
def test_the_variables_have_values_to_choose_from(
    watched: Watched, variable: dict[str, Any]
) -> None:
    asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
    assert asked is not None
    values = watched.prometheus.values(asked[2], as_grafana_asks(asked[1], ALL))
    assert {"job": "jouleplan", "llm": LLM, "pool": POOL}[variable["name"]] in values


def recorded(watched: Watched, name: str, wanted: float, **labels: str) -> float:
    """Return the value of a recorded series, once it is as wanted, or the last one."""
    selector = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    expression = f"{name}{{{selector}}}"

    def ask() -> float:
        found = watched.prometheus.instant(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else float("nan")

    return eventually(ask, lambda value: value == pytest.approx(wanted))


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("job:jouleplan_energy_measured_to_predicted:ratio_rate1h", {}),
        ("job_llm:jouleplan_energy_measured_to_predicted:ratio_rate1h", {"llm": LLM}),
        ("job_pool:jouleplan_energy_measured_to_predicted:ratio_rate1h", {"pool": POOL}),
    ],
)
def test_the_measured_ratio_is_the_one_that_was_reported(
    watched: Watched, name: str, labels: dict[str, str]
) -> None:
    assert recorded(watched, name, ENERGY_RATIO, **labels) == pytest.approx(ENERGY_RATIO)


def test_joules_per_request_and_per_token_are_those_of_the_answers(watched: Watched) -> None:
    measured = sum(watched.measured_j) / len(watched.measured_j)
    decided = sum(watched.decided_j) / len(watched.decided_j)
    for name, wanted in (
        ("measured_energy_joules_per_request", measured),
        ("measured_energy_joules_per_output_token", measured / TOKENS["output_tokens"]),
        ("decided_energy_joules_per_request", decided),
        ("decided_energy_joules_per_output_token", decided / TOKENS["output_tokens"]),
    ):
        found = recorded(watched, f"job:jouleplan_{name}:ratio_rate1h", wanted)
        assert found == pytest.approx(wanted), name
    assert decided < measured


def test_the_saving_is_the_one_of_the_plans(watched: Watched) -> None:
    whole = [plan["energy_joules"]["value"] for plan in watched.plans]
    robin = [
        one["energy_joules"]
        for plan in watched.plans
        for one in plan["baselines"]
        if one["name"] == "round_robin"
    ]
    placed = [part["energy_joules"] for plan in watched.plans for part in plan["placements"]]
    saved = sum(robin) - sum(whole)
    assert saved > 0
    wanted = saved / (saved + sum(placed))
    name = "job:jouleplan_round_robin_saved_energy:ratio_rate1h"
    assert recorded(watched, name, wanted) == pytest.approx(wanted)


def test_the_share_of_decisions_without_a_policy_is_that_before_the_plan(watched: Watched) -> None:
    wanted = FALLBACK / (FALLBACK + PLANNED)
    name = "job:jouleplan_decisions_fallback:ratio_rate5m"
    assert recorded(watched, name, wanted) == pytest.approx(wanted)


def test_what_was_reported_is_corrected_in_joules_and_drift_in_runtime(watched: Watched) -> None:
    where = f'llm="{LLM}", device="{DEVICE}"'
    for name, wanted in (
        ("energy_correction_factor", ENERGY_RATIO),
        ("energy_drifted", 0.0),
        ("runtime_correction_factor", 3.0),
        ("runtime_drifted", 1.0),
    ):
        found = watched.prometheus.instant(f"jouleplan_{name}{{{where}}}")
        assert [value for _, value in found] == [pytest.approx(wanted)], name


def test_drift_is_an_alert_that_waits_and_nothing_is_wrong_otherwise(watched: Watched) -> None:
    alerts = eventually(watched.prometheus.alerts, lambda found: "JouleplanRuntimeDrifted" in found)
    assert alerts["JouleplanRuntimeDrifted"] == "pending"
    # The shipped fleet's cost models never recorded input lengths: every request is extrapolated.
    assert set(alerts) == {"JouleplanRuntimeDrifted", "JouleplanMostlyExtrapolated"}


def test_a_refused_artefact_and_a_lost_service_raise_their_alerts(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    save(kv_on_cost_model(), models)
    save(kv_on_cost_model(llm="spoilt"), models).write_bytes(b"not an artefact")
    pool = "{name: p, device: 1xh100, count: 1, llms: [qwen3-8b], concurrency: [1], "
    (models / "fleet.yaml").write_text(f"pools:\n  - {pool}resident: [qwen3-8b]}}\n")
    rules = re.sub(r"for: \w+", "for: 2s", (SHIPPED / "rules.yml").read_text("utf-8"))
    settings = {"JOULEPLAN_MODELS_DIR": str(models), "JOULEPLAN_WORKERS": "1"}
    with Server(settings) as server:
        server.wait_until_ready()
        with running_prometheus(tmp_path, server.url, rules) as url:
            alerts = PrometheusServer(url).alerts
            wanted = {"JouleplanArtefactRefused": "firing"}
            # Before the first scrape there is no target, which is an alert of its own.
            assert eventually(alerts, lambda found: found == wanted) == wanted
            server.kill()
            lost = eventually(alerts, lambda found: found.get("JouleplanDown") == "firing")
            assert lost["JouleplanDown"] == "firing"
