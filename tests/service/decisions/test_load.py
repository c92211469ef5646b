"""The load of a pool, as decisions enter and leave it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.load import MAX_IN_FLIGHT_S, Loads, PoolLoad


def test_a_decision_that_is_made_again_counts_once_and_until_its_later_time() -> None:
    load = Loads().of("p", 0.0)
    load.enter("one", 0.0, ends_at=10.0)
    load.enter("one", 5.0, ends_at=20.0)
    assert load.in_flight == 1
    load.expire(15.0)
    assert load.in_flight == 1
    load.expire(20.0)
    assert load.in_flight == 0


def test_what_has_ended_is_gone_before_its_time_and_only_once() -> None:
    loads = Loads()
    load = loads.of("p", 0.0)
    load.enter("one", 0.0, ends_at=10.0)
    load.enter("two", 0.0, ends_at=10.0)
    for _ in range(3):
        loads.leave("one", "p")
        loads.leave("unknown", "p")
        loads.leave("one", "no-such-pool")
    assert load.in_flight == 1
    assert loads.of("p", 10.0).in_flight == 0


def test_nothing_counts_for_longer_than_a_day() -> None:
    load = PoolLoad()
    load.enter("one", 0.0, ends_at=1e16)
    load.expire(MAX_IN_FLIGHT_S)
    assert load.in_flight == 0


def test_a_slot_is_free_when_all_but_one_of_them_have_ended() -> None:
    load = PoolLoad()
    for name, ends_at in (("a", 30.0), ("b", 10.0), ("c", 20.0)):
        load.enter(name, 0.0, ends_at)
    assert [load.wait_s(slots, 5.0) for slots in (1, 2, 3, 4)] == [25.0, 15.0, 5.0, 0.0]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", "wait"]), st.sampled_from("abcdef"), st.floats(0, 9)
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 4))
def test_a_load_is_what_is_there(steps: list[tuple[str, str, float]], slots: int) -> None:
    loads, now, there = Loads(), 0.0, dict[str, float]()
    for what, name, amount in steps:
        load = loads.of("p", now)
        if what == "enter":
            load.enter(name, now, now + amount)
            there[name] = now + amount
        elif what == "leave":
            loads.leave(name, "p")
            there.pop(name, None)
        else:
            now += amount
        there = {one: end for one, end in there.items() if end > now}
        load = loads.of("p", now)
        assert load.in_flight == len(there)
        free_at = sorted([now] * slots + list(there.values()))[len(there)]
        assert load.wait_s(slots, now) == pytest.approx(free_at - now)


@pytest.mark.parametrize("slots", [1, 8, 256])
def test_a_pool_recovers_from_a_burst_without_actuals(slots: int) -> None:
    load, runtime_s, now = PoolLoad(), 20.0, 0.0
    names = iter(range(1_000_000))

    def arrive() -> float:
        load.expire(now)
        wait_s = load.wait_s(slots, now)
        load.enter(str(next(names)), now, now + wait_s + runtime_s)
        return wait_s

    for _ in range(3 * slots):
        arrive()
    assert load.wait_s(slots, now) == pytest.approx(3 * runtime_s)
    gap_s = runtime_s / slots / 0.7
    waits = []
    while now < 600.0:
        now += gap_s
        waits.append(arrive())
    assert waits[-1] == 0.0
    assert load.in_flight <= slots
