"""The load of a pool, as decisions enter and leave it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.load import Loads


def test_a_decision_that_is_made_again_counts_once_and_until_its_later_time() -> None:
    load = Loads().of("p", 0.0)
    load.enter("one", 4.0, gone_at=10.0)
    load.enter("one", 6.0, gone_at=20.0)
    assert (load.in_flight, load.backlog_s) == (1, 6.0)
    load.let_go(15.0)
    assert (load.in_flight, load.backlog_s) == (1, 6.0)
    load.let_go(20.0)
    assert (load.in_flight, load.backlog_s) == (0, 0.0)


def test_what_has_ended_is_gone_before_its_time_and_only_once() -> None:
    loads = Loads()
    load = loads.of("p", 0.0)
    load.enter("one", 4.0, gone_at=10.0)
    load.enter("two", 6.0, gone_at=10.0)
    for _ in range(3):
        loads.leave("one", "p")
        loads.leave("unknown", "p")
        loads.leave("one", "no-such-pool")
    assert (load.in_flight, load.backlog_s) == (1, 6.0)
    assert loads.of("p", 10.0).in_flight == 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", "wait"]), st.sampled_from("abcdef"), st.floats(0, 9)
    ),
    max_size=60,
)


@given(STEPS)
def test_a_load_is_the_sum_of_what_is_there(steps: list[tuple[str, str, float]]) -> None:
    loads, now, there = Loads(), 0.0, dict[str, tuple[float, float]]()
    for what, name, amount in steps:
        load = loads.of("p", now)
        if what == "enter":
            load.enter(name, amount, now + amount)
            there[name] = (now + amount, amount)
        elif what == "leave":
            loads.leave(name, "p")
            there.pop(name, None)
        else:
            now += amount
        there = {one: told for one, told in there.items() if told[0] > now}
        load = loads.of("p", now)
        assert load.in_flight == len(there)
        assert load.backlog_s == pytest.approx(sum(told[1] for told in there.values()), abs=1e-9)
