"""Random mixed calls to a real service, each answer checked by rules that know no planner."""

from collections.abc import Iterator

import pytest

from benchmarks.fuzz.run import Fuzzer
from tests.service.server import Server

QUICK = range(40)
HEAVY = range(40, 360)


@pytest.fixture(scope="module")
def shipped() -> Iterator[Server]:
    """A real server over the cost models and the fleet that are shipped."""
    with Server({}) as running:
        running.wait_until_ready()
        yield running


def wrong(server: Server, seeds: range) -> list[str]:
    with Fuzzer(server.url) as fuzzer:
        outcomes = [fuzzer.case(seed) for seed in seeds]
    ended = {outcome.ended for outcome in outcomes}
    assert {"optimal", "feasible", "infeasible"} <= ended
    wrong_members = [
        f"seed {o.seed}, {o.kind}, {o.ended}: {f}"
        for o in outcomes
        for f in o.faults
        # A busy machine takes longer; `python -m benchmarks.fuzz` judges it on a quiet one.
        if not f.endswith("s are allowed")
    ]
    return wrong_members + [line for line in server.logs().splitlines() if "Warning: " in line]


def test_random_calls_get_answers_whose_arithmetic_holds(shipped: Server) -> None:
    assert wrong(shipped, QUICK) == []


@pytest.mark.heavy
def test_many_random_calls_get_answers_whose_arithmetic_holds(shipped: Server) -> None:
    assert wrong(shipped, HEAVY) == []
