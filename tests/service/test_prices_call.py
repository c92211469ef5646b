"""`GET /prices` on a real server."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.service.destinations import HEADER, LARGE, ask
from tests.service.server import Server


@pytest.fixture(scope="module")
def server(two_pools_server: Server) -> Server:
    return two_pools_server


def prices(server: Server, **query: int) -> dict[str, dict[str, Any]]:
    answer = server.client.get("/prices", params=query)
    assert answer.status_code == 200, answer.text
    return {one["pool"]: one for one in answer.json()["prices"]}


def test_prices_are_those_that_a_decision_compares(server: Server) -> None:
    answered = prices(server, input_tokens=200, output_tokens=100)
    body = {"llm": "qwen3-8b", "input_tokens": 200, "output_tokens": 100}
    made = server.post("/decision", body).json()
    assert set(answered) == {"small", "large"}
    assert (
        min(answered, key=lambda pool: answered[pool]["price_joules"]) == made["placement"]["pool"]
    )
    extra = answered["large"]["price_joules"] - answered["small"]["price_joules"]
    assert made["runner_up"]["extra_price_joules"] == pytest.approx(extra)
    assert answered["small"]["energy_joules"] == pytest.approx(
        made["placement"]["energy_joules"]["value"]
    )


def test_longer_requests_never_cost_less_and_asking_decides_nothing(server: Server) -> None:
    first = prices(server)
    longer = prices(server, input_tokens=600, output_tokens=300)
    for pool in first:
        assert longer[pool]["price_joules"] >= first[pool]["price_joules"]
    waits = [prices(server)["small"]["wait_seconds"] for _ in range(20)]
    assert waits == sorted(waits, reverse=True)


def test_the_present_load_is_in_the_prices(server: Server) -> None:
    for _ in range(3):
        ask(server, {HEADER: f"large={LARGE}"})
    assert prices(server)["large"]["wait_seconds"] > 0


@pytest.mark.parametrize("query", ["input_tokens=-1", "output_tokens=0", "output_tokens=1e3",
                                   "input_tokens=abc", "input_tokens=99999999999"])  # fmt: skip
def test_lengths_out_of_range_are_refused(server: Server, query: str) -> None:
    answer = server.client.get(f"/prices?{query}")
    assert answer.status_code == 422
    name, _, given = query.partition("=")
    (error,) = answer.json()["errors"]
    assert error["pointer"] == f"/query/{name}"
    assert answer.json()["detail"] == f"/query/{name}: {error['detail']}"
    assert re.fullmatch(
        rf"Expected a whole number from [01] to [0-9]+, got '{given}'\.", error["detail"]
    )
