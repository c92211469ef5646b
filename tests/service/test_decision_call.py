"""`POST /decision` on a real server, and the prices that a published plan gives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from costmodel.artefact import load
from tests.service.decision_calls import TOKENS, decide
from tests.service.server import Server


@pytest.fixture
def server(two_llms_server: Server) -> Server:
    return two_llms_server


def test_a_decision_has_the_least_joules_and_says_what_the_next_best_would_cost(
    server: Server, two_llms_models: Path
) -> None:
    made = decide(server, llm="qwen3-8b")
    predicted = load(two_llms_models / "qwen3-8b__1xh100.joblib").energy_j(200, 100, 1)[0]
    assert made["placement"]["pool"] == "small"
    assert made["placement"]["energy_joules"]["value"] == pytest.approx(predicted)
    assert made["placement"]["energy_joules"]["low"] < predicted
    assert made["runner_up"]["pool"] == "large"
    assert made["runner_up"]["why"] == "price"
    extra = made["runner_up"]["energy_joules"]["value"] - predicted
    assert made["runner_up"]["extra_price_joules"] == pytest.approx(extra)
    assert made["policy"]["source"] == "fallback"


def test_a_deadline_that_the_cheapest_misses_sends_it_elsewhere(server: Server) -> None:
    runtime = decide(server, llm="qwen3-8b")["placement"]["runtime_seconds"]["value"]
    made = decide(server, llm="qwen3-8b", deadline_seconds=0.75 * runtime)
    assert made["placement"]["pool"] == "large"
    assert made["placement"]["in_time"]
    assert made["runner_up"]["why"] == "late"


def test_the_llm_is_never_changed_unless_the_candidates_name_several(server: Server) -> None:
    assert decide(server, llm="qwen3-32b")["placement"]["llm"] == "qwen3-32b"
    both = [{"llm": "qwen3-32b"}, {"llm": "qwen3-8b"}]
    assert decide(server, candidates=both)["placement"]["llm"] == "qwen3-8b"
    assert decide(server, candidates=both, min_quality=0.7)["placement"]["llm"] == "qwen3-32b"


def test_the_gateways_own_names_come_back(server: Server) -> None:
    candidates = [
        {"llm": "qwen3-8b", "pool": "large", "name": "deployment-7"},
        {"llm": "other", "pool": "elsewhere", "name": "deployment-8"},
    ]
    assert decide(server, candidates=candidates)["placement"]["name"] == "deployment-7"


def test_load_fills_a_pool_and_spills_over_when_a_deadline_would_be_missed(server: Server) -> None:
    # So long that none ends before the last one is decided, however slowly this machine asks.
    asked = {"llm": "qwen3-8b", "output_tokens": 10_000}
    runtime = decide(server, **asked)["placement"]["runtime_seconds"]["value"]
    pools = [
        decide(server, **asked, deadline_seconds=3 * runtime)["placement"]["pool"]
        for _ in range(40)
    ]
    assert pools[0] == "small"
    assert "large" in pools


def test_an_openai_body_is_taken_as_it_is(server: Server) -> None:
    request = {
        "model": "qwen3-8b",
        "messages": [{"role": "user", "content": "x" * 400}],
        "max_tokens": 50,
    }
    answer = server.post("/decision", {"request": request}).json()
    assert answer["tokens"] == {
        "input_tokens": 100,
        "prompts": 1,
        "output_tokens": 50,
        "output_tokens_high": 50,
        "choices": 1,
        "input_from": "characters",
        "output_from": "limit",
    }


@pytest.mark.parametrize("tokens", [(200, 100), (16, 16), (1_000_000, 100), (200, 9_000), (1, 1)])
def test_a_decision_is_extrapolated_where_a_prediction_is(
    server: Server, tokens: tuple[int, int]
) -> None:
    terms = dict(zip(("input_tokens", "output_tokens"), tokens, strict=True))
    made = server.post("/decision", terms | {"llm": "qwen3-8b"}).json()
    predicted = server.post("/predict", {"requests": [terms]}).json()["extrapolated"][0]
    for option in (made["placement"], made["runner_up"]):
        assert option["extrapolated"] is predicted[option["index"]]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"llm": "unknown", **TOKENS}, "/llm"),
        ({"candidates": [{"llm": "unknown"}], **TOKENS}, "/candidates"),
        ({"llm": "qwen3-8b"}, ""),
        ({"llm": "qwen3-8b", "input_tokens": -1, "output_tokens": 1}, "/input_tokens"),
        ({"llm": "qwen3-8b", **TOKENS, "colour": 1}, "/colour"),
        ({"llm": "qwen3-8b", **TOKENS, "min_quality": 0.99}, "/min_quality"),
    ],
)
def test_what_cannot_be_decided_is_refused(
    server: Server, body: dict[str, Any], pointer: str
) -> None:
    answer = server.post("/decision", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def batch(count: int, **more: Any) -> dict[str, Any]:
    columns = {"input_tokens": [200] * count, "output_tokens": [100] * count}
    return {"columns": columns, **more}


def test_a_published_plan_puts_its_prices_in_force(server: Server) -> None:
    # A plan with prices is enough: the first one will do, however long a busy machine takes.
    solver = {"relative_gap": 1.0, "time_limit_seconds": 120}
    alone = server.post("/plan", batch(400, solver=solver)).json()["makespan_seconds"]
    limits = {"deadline_seconds": 0.93 * alone}
    answer = server.post("/plan", batch(400, publish=True, solver=solver, constraints=limits))
    assert answer.status_code == 200, answer.text
    prices = {one["constraint"]: one["energy_joules"] for one in answer.json()["shadow_prices"]}
    assert prices["pools/small/device_seconds"] > 0
    made = decide(server, llm="qwen3-8b")
    assert made["policy"]["source"] == "plan"
    assert made["policy"]["plan_id"] == answer.json()["plan_id"]
    assert 0 < made["policy"]["expires_in_seconds"] <= 3600
    chosen, other = made["placement"], made["runner_up"]
    dearer = other["energy_joules"]["value"] - chosen["energy_joules"]["value"]
    assert other["extra_price_joules"] != pytest.approx(dearer)
    assert "jouleplan_policy_age_seconds" in server.client.get("/metrics").text


def test_only_plans_over_the_services_own_fleet_can_be_published(server: Server) -> None:
    pool = {"name": "own", "device": "1xh100", "count": 1, "llms": ["qwen3-8b"]}
    fleet = {"pools": [pool | {"concurrency": [1], "resident": ["qwen3-8b"]}]}
    answer = server.post("/plan", batch(4, publish=True, fleet=fleet))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/publish"
