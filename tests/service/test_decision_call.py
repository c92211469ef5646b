"""`POST /decision` and `POST /actuals` on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from costmodel.artefact import load, save
from tests.costmodel.builders import kv_on_cost_model
from tests.service.server import Server
from tests.waiting import wait_until

FLEET = """\
quality: {qwen3-8b: 0.6, qwen3-32b: 0.8}
pools:
  - name: small
    device: 1xh100
    count: 2
    llms: [qwen3-8b]
    concurrency: [1, 8]
    resident: [qwen3-8b]
  - name: large
    device: 2xh100
    count: 1
    llms: [qwen3-8b, qwen3-32b]
    concurrency: [1]
    resident: [qwen3-8b]
"""
TOKENS = {"input_tokens": 200, "output_tokens": 100}


def save_models(folder: Path) -> Path:
    """Write the cost models and the fleet: `large` takes twice the joules and half the time."""
    folder.mkdir(exist_ok=True)
    save(kv_on_cost_model(), folder)
    twice = tuple(2 * value for value in kv_on_cost_model().energy_coefficients)
    half = tuple(value / 2 for value in kv_on_cost_model().device_seconds_coefficients)
    changed: dict[str, Any] = {
        "device": "2xh100",
        "num_gpus": 2,
        "energy_coefficients": twice,
        "device_seconds_coefficients": half,
    }
    save(kv_on_cost_model(**changed), folder)
    save(kv_on_cost_model(llm="qwen3-32b", **changed), folder)
    (folder / "fleet.yaml").write_text(FLEET)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "actuals.sqlite3"


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    with Server({"JOULEPLAN_MODELS_DIR": str(models)}) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(autouse=True)
def _as_before(server: Server) -> Iterator[None]:
    """End the decisions of a test with it, and take away the policy that it set."""
    made: list[dict[str, Any]] = []

    def remember(answer: httpx.Response) -> None:
        if answer.request.url.path == "/decision" and answer.status_code == 200:
            answer.read()
            made.append(answer.json())

    server.client.event_hooks = {"response": [remember]}
    yield
    server.client.event_hooks = {}
    if made:
        tell(server, *({"decision_id": one["decision_id"], **place_of(one)} for one in made))
    server.client.delete("/policy").raise_for_status()


def decide(server: Server, **body: Any) -> dict[str, Any]:
    answer = server.post("/decision", TOKENS | body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def place_of(made: dict[str, Any]) -> dict[str, str]:
    return {name: made["placement"][name] for name in ("llm", "pool")}


def tell(server: Server, *actuals: dict[str, Any]) -> dict[str, Any]:
    answer = server.post("/actuals", {"actuals": list(actuals)})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_decision_has_the_least_joules_and_says_what_the_next_best_would_cost(
    server: Server, models: Path
) -> None:
    made = decide(server, llm="qwen3-8b")
    predicted = load(models / "qwen3-8b__1xh100.joblib").energy_j(200, 100, 1)[0]
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


def test_lengths_are_learned_by_route(server: Server) -> None:
    for number in range(40):
        tell(
            server,
            {"id": f"a{number}", "llm": "qwen3-8b", "pool": "small", "route": "chat",
             "output_tokens": 20},
        )  # fmt: skip
    body = {"request": {"model": "qwen3-8b", "prompt": "x" * 40}, "route": "chat"}
    tokens = server.post("/decision", body).json()["tokens"]
    assert (tokens["output_tokens"], tokens["output_from"]) == (20.0, "learned")


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


def actual(made: dict[str, Any], ratio: float, **more: Any) -> dict[str, Any]:
    placement = made["placement"]
    return {
        "decision_id": made["decision_id"],
        "llm": placement["llm"],
        "pool": placement["pool"],
        **TOKENS,
        "runtime_seconds": placement["runtime_seconds"]["value"],
        "energy_joules": ratio * placement["energy_joules"]["value"],
    } | more


def energy_ratio(server: Server, llm: str = "qwen3-8b") -> dict[str, Any]:
    """Return what is known of the joules of an LLM, which ran on one device alone."""
    ratios = server.client.get("/actuals").json()["ratios"]
    (found,) = (one for one in ratios if (one["quantity"], one["llm"]) == ("energy", llm))
    return dict(found)


def test_an_actual_reported_twice_counts_once(server: Server) -> None:
    tell(server, actual(decide(server, llm="qwen3-8b"), 1.0))
    before = energy_ratio(server)["observations"]
    made = decide(server, llm="qwen3-8b")
    assert tell(server, actual(made, 1.0)) == {"accepted": 1, "duplicates": 0}
    assert tell(server, actual(made, 1.0)) == {"accepted": 0, "duplicates": 1}
    assert energy_ratio(server)["observations"] == before + 1


def test_a_bias_is_corrected_beyond_the_evidence_threshold_and_shown(server: Server) -> None:
    # An LLM that no other test tells measured joules of.
    asked = {"llm": "qwen3-32b"}
    first = decide(server, **asked)["placement"]["energy_joules"]["value"]
    for number in range(60):
        made = decide(server, **asked)
        assert made["placement"]["correction"]["energy"] == pytest.approx(
            1.0 if number < 50 else 1.3, rel=0.02
        )
        tell(server, actual(made, 1.3 * first / made["placement"]["energy_joules"]["value"]))
    ratio = energy_ratio(server, "qwen3-32b")
    assert ratio["applied_factor"] == pytest.approx(1.3, rel=0.02)
    assert not ratio["drifted"]


def test_what_was_learned_survives_a_restart(models: Path, store: Path) -> None:
    settings = {"JOULEPLAN_MODELS_DIR": str(models), "JOULEPLAN_ACTUALS_PATH": str(store)}
    with Server(settings) as first:
        first.wait_until_ready()
        for number in range(5):
            tell(first, actual(decide(first, llm="qwen3-8b"), 1.2, id=f"n{number}"))
        before = energy_ratio(first)
    with Server(settings) as second:
        second.wait_until_ready()
        assert energy_ratio(second) == before
        assert tell(second, {"id": "n0", "llm": "qwen3-8b", "pool": "small"})["duplicates"] == 1


def test_what_was_learned_of_a_cost_model_is_dropped_with_it(tmp_path: Path, store: Path) -> None:
    models = save_models(tmp_path / "models")
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models),
        "JOULEPLAN_ACTUALS_PATH": str(store),
        "JOULEPLAN_RELOAD_SECONDS": "0.2",
    }

    def applied(server: Server) -> float:
        made = decide(server, candidates=[{"llm": "qwen3-8b", "pool": "large"}])
        tell(server, {"decision_id": made["decision_id"], "llm": "qwen3-8b", "pool": "large"})
        return float(made["placement"]["correction"]["energy"])

    drift = 'jouleplan_energy_correction_factor{device="2xh100",llm="qwen3-8b"}'
    with Server(settings) as server:
        server.wait_until_ready()
        right_j = 1.4 * predicted_j(models)
        where = {"llm": "qwen3-8b", "pool": "large", **TOKENS}
        tell(server, *({"id": f"n{n}", **where, "energy_joules": right_j} for n in range(60)))
        assert applied(server) == pytest.approx(1.4)
        assert drift in server.client.get("/metrics").text
        measured_again = load(models / "qwen3-8b__2xh100.joblib")
        right = tuple(1.4 * one for one in measured_again.energy_coefficients)
        save(replace(measured_again, energy_coefficients=right, load_s=1.0), models)
        wait_until(lambda: 1.0 in [one["load_seconds"] for one in cost_models(server)])
        assert predicted_j(models) == pytest.approx(right_j)
        assert applied(server) == 1.0
        assert drift not in server.client.get("/metrics").text
        assert server.client.get("/actuals").json()["ratios"] == []
    with Server(settings) as server:
        server.wait_until_ready()
        assert applied(server) == 1.0
        told = server.client.get("/actuals").json()
        assert told["ratios"] == []
        assert {one["answers"] for one in told["output_lengths"]} == {60.0}


def predicted_j(models: Path) -> float:
    return float(load(models / "qwen3-8b__2xh100.joblib").energy_j(200, 100, 1)[0])


def cost_models(server: Server) -> list[dict[str, Any]]:
    return list(server.client.get("/cost-models").json()["cost_models"])


ACTUAL = {"llm": "qwen3-8b", "pool": "small"}


@pytest.mark.parametrize(
    ("actual", "pointer"),
    [
        ({"id": "a", "concurrency": 0}, "/actuals/1/concurrency"),
        ({"id": "a", "plan_id": ""}, "/actuals/1/plan_id"),
        ({}, "/actuals/1"),
        ({"id": "a", "ended_at": 12.5}, "/actuals/1/ended_at"),
        ({"id": "a", "ended_at": "2026-03-01T12:00:10"}, "/actuals/1/ended_at"),
        ({"id": "a", "ended_at": True}, "/actuals/1/ended_at"),
    ],
)
def test_the_first_actual_that_is_wrong_is_reported(
    server: Server, actual: dict[str, Any], pointer: str
) -> None:
    told = [{**ACTUAL, "id": "right"}, *[{**ACTUAL, **actual}] * 5]
    answer = server.post("/actuals", {"actuals": told})
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]


def test_the_last_token_came_at_any_moment_with_its_zone(server: Server) -> None:
    moments = [1772366410.5, 1772366410500, "2026-03-01T17:00:10.5+0500", None]
    told = [{**ACTUAL, "id": f"at {at}", "ended_at": at} for at in moments]
    assert tell(server, *told) == {"accepted": 4, "duplicates": 0}


def test_a_thousand_actuals_are_taken_in_and_no_more(server: Server) -> None:
    told = [{**ACTUAL, "id": f"n{n}"} for n in range(1001)]
    answer = server.post("/actuals", {"actuals": told})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/actuals"
    assert tell(server, *told[:1000]) == {"accepted": 1000, "duplicates": 0}
    long = [{**ACTUAL, "id": f"{n:0250}", "decision_id": f"{n:0256}"} for n in range(1000)]
    assert server.post("/actuals", {"actuals": long}).status_code == 413


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


def test_actuals_of_a_plan_are_held_against_what_was_predicted_of_it(server: Server) -> None:
    rows = [{"id": str(number), **TOKENS} for number in range(16)]
    plan = server.post("/plan", {"requests": rows}).json()
    placements = {
        one["index"]: one for one in server.client.get("/placements").json()["placements"]
    }
    told = []
    for number, row in enumerate(plan["assignments"]):
        where = placements[row["placement"]]
        told.append(
            {
                "id": f"{plan['plan_id']}-{number}",
                "plan_id": plan["plan_id"],
                **{name: where[name] for name in ("llm", "pool", "concurrency")},
                "input_tokens": 200,
                "output_tokens": 100,
                "energy_joules": 1.25 * row["energy_joules"],
            }
        )
    assert tell(server, *told)["accepted"] == 16
    path = f"/plans/{plan['plan_id']}/actuals"
    found = server.client.get(path).json()
    assert (found["requests"], found["energy_joules"]["requests"]) == (16, 16)
    assert found["energy_joules"]["ratio"] == pytest.approx(1.25, rel=0.01)
    assert found["runtime_seconds"]["ratio"] is None
    missing = server.client.get("/plans/unknown/actuals")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
