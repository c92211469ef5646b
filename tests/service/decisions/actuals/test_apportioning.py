"""Joules of intervals, given to what ran in them."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.actuals.apportioning import (
    RUNS_A_TURN,
    Apportioner,
    PoolPower,
    Run,
    Settled,
    busy_device_seconds,
)
from service.decisions.records import ActualKey

POOL = "p"
FOREVER = 1e9


def run(name: str, begun_at: float, ended_at: float, predicted_j: float = 10.0) -> Run:
    return Run(ActualKey(name), begun_at, ended_at, predicted_j)


def settle(
    apportioner: Apportioner, until: float, power: dict[str, PoolPower] | None = None
) -> Settled:
    return asyncio.run(apportioner.settle(until, power or {}))


def settled(
    runs: list[Run],
    intervals: list[tuple[float, float, float]],
    power: PoolPower | None = None,
    until: float = FOREVER,
) -> Settled:
    apportioner = Apportioner()
    for one in runs:
        apportioner.add_run(POOL, one)
    for begin, end, energy_j in intervals:
        apportioner.add_interval(POOL, begin, end, energy_j)
    return settle(apportioner, until, {} if power is None else {POOL: power})


def by_id(found: Settled) -> dict[str, float]:
    return {key.id: joules for key, joules in found.energy_j.items()}


def busy_by_brute_force(runs: list[Run], begin: float, end: float, devices: int) -> float:
    """Add up, between every two events, the devices that had a request."""
    events = [at for one in runs for at in (one.begun_at, one.ended_at) if begin < at < end]
    busy_s = 0.0
    for early, late in itertools.pairwise([begin, *sorted(events), end]):
        middle = (early + late) / 2
        in_flight = sum(one.begun_at <= middle < one.ended_at for one in runs)
        busy_s += min(devices, in_flight) * (late - early)
    return busy_s


SPANS = st.tuples(st.floats(0, 90), st.floats(0.01, 40), st.floats(0.1, 1e4))
EDGES = st.lists(st.floats(0, 150), min_size=2, max_size=12, unique=True).map(sorted)


@given(
    st.lists(SPANS, max_size=12),
    EDGES,
    st.floats(0, 1e5),
    st.one_of(st.none(), st.floats(0, 500)),
    st.data(),
)
def test_given_idle_and_left_over_joules_are_the_metered_ones(
    spans: list[tuple[float, float, float]],
    edges: list[float],
    joules: float,
    idle_watts: float | None,
    data: st.DataObject,
) -> None:
    runs = [run(str(n), at, at + long, j) for n, (at, long, j) in enumerate(spans)]
    intervals = [
        (begin, end, joules) for begin, end in itertools.pairwise(edges) if data.draw(st.booleans())
    ]
    devices = data.draw(st.integers(1, 4))
    power = None if idle_watts is None else PoolPower(devices, idle_watts)
    found = settled(runs, intervals, power)
    metered, apportioned = found.metered_j.get(POOL, 0.0), found.apportioned_j.get(POOL, 0.0)
    assert metered == pytest.approx(sum(energy_j for _, _, energy_j in intervals))
    nobodys = 0.0
    for begin, end, energy_j in intervals:
        busy_s = busy_by_brute_force(runs, begin, end, devices)
        if busy_s <= 0.0:
            nobodys += energy_j
        elif idle_watts is not None:
            nobodys += min(energy_j, idle_watts * max(0.0, devices * (end - begin) - busy_s))
    assert sum(one.apportioned_j for one in runs) == pytest.approx(apportioned, abs=1e-6)
    assert apportioned + nobodys == pytest.approx(metered, abs=1e-6)
    assert sum(by_id(found).values()) <= apportioned * (1 + 1e-9) + 1e-6


def test_a_run_over_several_intervals_gets_a_part_of_each() -> None:
    long, short = run("long", 5, 35), run("short", 12, 14)
    found = settled([long, short], [(0, 10, 100), (10, 20, 200), (20, 30, 300), (30, 40, 400)])
    shared = 200 * (10 / 30 * 10) / (10 / 30 * 10 + 10)
    assert by_id(found)["long"] == pytest.approx(100 + shared + 300 + 400)
    assert by_id(found)["short"] == pytest.approx(200 - shared)


def test_a_run_that_touches_an_interval_has_no_part_of_it() -> None:
    found = settled([run("before", 0, 10), run("after", 10, 20)], [(0, 10, 70), (10, 20, 30)])
    assert by_id(found) == pytest.approx({"before": 70, "after": 30})


def test_joules_are_shared_by_what_was_predicted_whatever_the_llm() -> None:
    small, large = run("small-llm", 0, 10, 30.0), run("large-llm", 0, 10, 90.0)
    assert by_id(settled([small, large], [(0, 10, 200)])) == pytest.approx(
        {"small-llm": 50, "large-llm": 150}
    )


def test_what_is_metered_elsewhere_takes_its_part_and_is_reported_no_more() -> None:
    known = Run(ActualKey("known"), 0, 10, 10.0, unmetered=False)
    assert by_id(settled([known, run("asked", 0, 10)], [(0, 10, 80)])) == {"asked": 40.0}


def test_idle_power_goes_to_nobody() -> None:
    found = settled([run("one", 0, 5)], [(0, 10, 1000)], PoolPower(2, 50.0))
    assert by_id(found)["one"] == pytest.approx(1000 - 50 * (2 * 10 - 5))
    assert by_id(settled([run("one", 0, 5)], [(0, 10, 100)], PoolPower(2, 50.0)))["one"] == 0.0


def test_a_device_with_one_request_of_many_that_it_could_hold_is_not_idle() -> None:
    alone = settled([run("one", 10, 20)], [(0, 30, 3000)], PoolPower(1, 60.0))
    assert by_id(alone)["one"] == pytest.approx(3000 - 60 * 20)
    batch = [run(str(n), 10, 20) for n in range(64)]
    found = settled(batch, [(0, 30, 3000)], PoolPower(1, 60.0))
    assert found.apportioned_j[POOL] == pytest.approx(3000 - 60 * 20)


@given(st.lists(SPANS, min_size=1, max_size=30), EDGES, st.integers(1, 5))
def test_busy_device_seconds_are_those_of_a_count_between_every_two_events(
    spans: list[tuple[float, float, float]], edges: list[float], devices: int
) -> None:
    begin, end = edges[0], edges[-1]
    runs = [run(str(n), at, at + long) for n, (at, long, _) in enumerate(spans)]
    found = busy_device_seconds(runs, begin, end, devices)
    assert found == pytest.approx(busy_by_brute_force(runs, begin, end, devices), abs=1e-9)
    assert found <= devices * (end - begin) * (1 + 1e-9)


def test_the_event_loop_has_turns_while_many_runs_are_settled() -> None:
    many = 20 * RUNS_A_TURN

    async def scene() -> tuple[Settled, list[int]]:
        apportioner, turns = Apportioner(max_runs=many), [0]

        async def decide() -> None:
            while True:
                turns[0] += 1
                # Actuals of later requests, added while this settles, push out the oldest.
                if turns[0] <= RUNS_A_TURN:
                    apportioner.add_run(POOL, run(f"late {turns[0]}", 11, 12))
                await asyncio.sleep(0)

        for number in range(many):
            apportioner.add_run(POOL, run(str(number), 0, 10))
        apportioner.add_interval(POOL, 0, 10, float(many))
        deciding = asyncio.create_task(decide())
        found = await apportioner.settle(10, {POOL: PoolPower(1, 50.0)})
        deciding.cancel()
        apportioner.add_interval(POOL, 10, 20, 600.0)
        later = await apportioner.settle(20, {POOL: PoolPower(1, 50.0)})
        assert sum(by_id(later).values()) == pytest.approx(600 - 50 * 9)
        assert len(by_id(later)) == min(turns[0], RUNS_A_TURN)
        return found, turns

    found, turns = asyncio.run(scene())
    # A turn for each part of each of three walks, and some of the sorting in a thread.
    assert turns[0] > 3 * (20 - 1)
    assert len(by_id(found)) == many
    assert sum(by_id(found).values()) == pytest.approx(many)


@pytest.mark.parametrize(
    "intervals",
    [
        pytest.param([(0.0, 4.0, 10.0), (6.0, 10.0, 10.0)], id="in the middle"),
        pytest.param([(5.0, 10.0, 10.0)], id="at its begin"),
        pytest.param([(0.0, 5.0, 10.0), (20.0, 30.0, 10.0)], id="at its end"),
    ],
)
def test_a_run_that_falls_into_a_gap_gets_none(
    intervals: list[tuple[float, float, float]],
) -> None:
    assert by_id(settled([run("one", 0, 10)], intervals)) == {}


def test_two_hundredths_of_a_run_may_be_missing() -> None:
    assert "one" in by_id(settled([run("one", 0, 100)], [(1.9, 110, 10)]))
    assert "one" not in by_id(settled([run("one", 0, 100)], [(2.1, 110, 10)]))


def test_a_run_waits_for_the_interval_that_it_ends_in() -> None:
    apportioner = Apportioner()
    apportioner.add_run(POOL, run("one", 5, 15))
    apportioner.add_interval(POOL, 0, 10, 60)
    apportioner.add_interval(POOL, 10, 20, 40)
    assert by_id(settle(apportioner, 19)) == {}
    assert by_id(settle(apportioner, 20)) == {"one": 100}


def test_a_run_that_is_reported_after_its_interval_was_settled_gets_none() -> None:
    apportioner = Apportioner()
    apportioner.add_interval(POOL, 0, 10, 60)
    assert settle(apportioner, 10).metered_j == {POOL: 60}
    apportioner.add_run(POOL, run("late", 0, 9))
    apportioner.add_run(POOL, run("early", 11, 19))
    apportioner.add_interval(POOL, 10, 20, 40)
    assert by_id(settle(apportioner, 20)) == {"early": 40}


def test_pools_have_nothing_to_do_with_each_other() -> None:
    apportioner = Apportioner()
    apportioner.add_run("a", run("one", 0, 10))
    apportioner.add_run("b", run("two", 0, 10))
    apportioner.add_interval("a", 0, 10, 60)
    apportioner.add_interval("b", 0, 10, 40)
    apportioner.add_interval("unknown", 0, 10, 5)
    found = settle(apportioner, 10)
    assert by_id(found) == {"one": 60, "two": 40}
    assert found.apportioned_j == {"a": 60, "b": 40, "unknown": 0}


def test_nobody_gets_what_dropped_runs_have_taken() -> None:
    apportioner = Apportioner(max_runs=3)
    for number in range(5):
        apportioner.add_run(POOL, run(str(number), number * 4, number * 4 + 4))
    apportioner.add_interval(POOL, 0, 10, 100)
    apportioner.add_interval(POOL, 10, 20, 100)
    found = settle(apportioner, 20)
    assert set(by_id(found)) == {"3", "4"}
    assert found.apportioned_j == {POOL: 100}


def test_what_took_no_time_or_no_joules_is_left_out() -> None:
    nothing = [run("instant", 3, 3), run("free", 0, 10, 0.0)]
    assert by_id(settled([*nothing, run("one", 0, 10)], [(0, 10, 80)])) == {"one": 80}
