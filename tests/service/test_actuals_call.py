"""`POST /actuals` on a real server: what is learned of it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from costmodel.artefact import load, save
from tests.service.actuals_calls import actual_of, send_actuals
from tests.service.decision_calls import TOKENS, decide
from tests.service.decision_fleet import save_two_llms
from tests.service.server import Server
from tests.waiting import wait_until


@pytest.fixture
def server(two_llms_server: Server) -> Server:
    return two_llms_server


ACTUAL = {"llm": "qwen3-8b", "pool": "small"}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "actuals.sqlite3"


def energy_ratio(server: Server, llm: str = "qwen3-8b") -> dict[str, Any]:
    """Return what is known of the joules of an LLM, which ran on one device alone."""
    ratios = server.client.get("/actuals").json()["ratios"]
    (found,) = (one for one in ratios if (one["quantity"], one["llm"]) == ("energy", llm))
    return dict(found)


def test_an_actual_reported_twice_counts_once(server: Server) -> None:
    send_actuals(server, actual_of(decide(server, llm="qwen3-8b"), 1.0))
    before = energy_ratio(server)["observations"]
    made = decide(server, llm="qwen3-8b")
    assert send_actuals(server, actual_of(made, 1.0)) == {"accepted": 1, "duplicates": 0}
    assert send_actuals(server, actual_of(made, 1.0)) == {"accepted": 0, "duplicates": 1}
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
        send_actuals(
            server, actual_of(made, 1.3 * first / made["placement"]["energy_joules"]["value"])
        )
    ratio = energy_ratio(server, "qwen3-32b")
    assert ratio["applied_factor"] == pytest.approx(1.3, rel=0.02)
    assert not ratio["drifted"]


def test_what_was_learned_survives_a_restart(two_llms_models: Path, store: Path) -> None:
    settings = {"JOULEPLAN_MODELS_DIR": str(two_llms_models), "JOULEPLAN_ACTUALS_PATH": str(store)}
    with Server(settings) as first:
        first.wait_until_ready()
        for number in range(5):
            send_actuals(first, actual_of(decide(first, llm="qwen3-8b"), 1.2, id=f"n{number}"))
        before = energy_ratio(first)
    with Server(settings) as second:
        second.wait_until_ready()
        assert energy_ratio(second) == before
        assert (
            send_actuals(second, {"id": "n0", "llm": "qwen3-8b", "pool": "small"})["duplicates"]
            == 1
        )


def test_what_was_learned_of_a_cost_model_is_dropped_with_it(tmp_path: Path, store: Path) -> None:
    models = save_two_llms(tmp_path / "models")
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models),
        "JOULEPLAN_ACTUALS_PATH": str(store),
        "JOULEPLAN_RELOAD_SECONDS": "0.2",
    }

    def applied(server: Server) -> float:
        made = decide(server, candidates=[{"llm": "qwen3-8b", "pool": "large"}])
        send_actuals(
            server, {"decision_id": made["decision_id"], "llm": "qwen3-8b", "pool": "large"}
        )
        return float(made["placement"]["correction"]["energy"])

    drift = 'jouleplan_energy_correction_factor{device="2xh100",llm="qwen3-8b"}'
    with Server(settings) as server:
        server.wait_until_ready()
        right_j = 1.4 * predicted_j(models)
        where = {"llm": "qwen3-8b", "pool": "large", **TOKENS}
        send_actuals(
            server, *({"id": f"n{n}", **where, "energy_joules": right_j} for n in range(60))
        )
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
        learned = server.client.get("/actuals").json()
        assert learned["ratios"] == []
        assert {one["answers"] for one in learned["output_lengths"]} == {60.0}


def predicted_j(models: Path) -> float:
    return float(load(models / "qwen3-8b__2xh100.joblib").energy_j(200, 100, 1)[0])


def cost_models(server: Server) -> list[dict[str, Any]]:
    return list(server.client.get("/cost-models").json()["cost_models"])


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
    actuals = [{**ACTUAL, "id": "right"}, *[{**ACTUAL, **actual}] * 5]
    answer = server.post("/actuals", {"actuals": actuals})
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]


def test_the_last_token_came_at_any_moment_with_its_zone(server: Server) -> None:
    moments = [1772366410.5, 1772366410500, "2026-03-01T17:00:10.5+0500", None]
    actuals = [{**ACTUAL, "id": f"at {at}", "ended_at": at} for at in moments]
    assert send_actuals(server, *actuals) == {"accepted": 4, "duplicates": 0}


def test_a_thousand_actuals_are_taken_in_and_no_more(server: Server) -> None:
    actuals = [{**ACTUAL, "id": f"n{n}"} for n in range(1001)]
    answer = server.post("/actuals", {"actuals": actuals})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/actuals"
    assert send_actuals(server, *actuals[:1000]) == {"accepted": 1000, "duplicates": 0}
    long = [{**ACTUAL, "id": f"{n:0250}", "decision_id": f"{n:0256}"} for n in range(1000)]
    assert server.post("/actuals", {"actuals": long}).status_code == 413


def test_actuals_of_a_plan_are_held_against_what_was_predicted_of_it(server: Server) -> None:
    rows = [{"id": str(number), **TOKENS} for number in range(16)]
    plan = server.post("/plan", {"requests": rows}).json()
    placements = {
        one["index"]: one for one in server.client.get("/placements").json()["placements"]
    }
    actuals = []
    for number, row in enumerate(plan["assignments"]):
        where = placements[row["placement"]]
        actuals.append(
            {
                "id": f"{plan['plan_id']}-{number}",
                "plan_id": plan["plan_id"],
                **{name: where[name] for name in ("llm", "pool", "concurrency")},
                "input_tokens": 200,
                "output_tokens": 100,
                "energy_joules": 1.25 * row["energy_joules"],
            }
        )
    assert send_actuals(server, *actuals)["accepted"] == 16
    path = f"/plans/{plan['plan_id']}/actuals"
    found = server.client.get(path).json()
    assert (found["requests"], found["energy_joules"]["requests"]) == (16, 16)
    assert found["energy_joules"]["ratio"] == pytest.approx(1.25, rel=0.01)
    assert found["runtime_seconds"]["ratio"] is None
    missing = server.client.get("/plans/unknown/actuals")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"


def test_lengths_are_learned_by_route(server: Server) -> None:
    for number in range(40):
        send_actuals(
            server,
            {"id": f"a{number}", "llm": "qwen3-8b", "pool": "small", "route": "chat",
             "output_tokens": 20},
        )  # fmt: skip
    body = {"request": {"model": "qwen3-8b", "prompt": "x" * 40}, "route": "chat"}
    tokens = server.post("/decision", body).json()["tokens"]
    assert (tokens["output_tokens"], tokens["output_from"]) == (20.0, "learned")
