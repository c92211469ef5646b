"""The decision service: which placements it names, and what it remembers of its decisions."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.one_request import Prompts, Terms
from service.calls.placement_row import PlacementRow
from service.calls.schemas.decisions import CandidateBody, DecisionBody
from service.decisions.calibration import BiasKey
from service.decisions.decision_service import DecisionService
from service.decisions.policy import FORECAST, PLAN, WEIGHTS, Policy
from service.decisions.traffic import MIN_REQUESTS
from service.http.routes.decisions import answer_of
from service.problems import ProblemError
from tests.service.decisions.rows import LLMS, POOLS, ROWS, Clock, decision_service

CANDIDATES = st.lists(
    st.builds(
        CandidateBody,
        llm=st.sampled_from([*LLMS, "unknown"]),
        pool=st.sampled_from([None, *POOLS, "elsewhere"]),
    ),
    min_size=1,
    max_size=5,
)


@given(
    CANDIDATES,
    st.sampled_from([None, *LLMS]),
    st.floats(0, 100),
    st.dictionaries(st.sampled_from(POOLS), st.floats(0, 1e4)),
)
def test_a_decision_is_one_of_the_candidates(
    candidates: list[CandidateBody], llm: str | None, price: float, prices: dict[str, float]
) -> None:
    decisions = decision_service()
    decisions.publish(Policy("weights", prices, price))
    body = DecisionBody(input_tokens=10, output_tokens=10, candidates=candidates, llm=llm)
    allowed = {
        (one.llm, pool)
        for one in candidates
        for pool in POOLS
        if one.llm in LLMS and one.pool in {None, pool} and llm in {None, one.llm}
    }
    if not allowed:
        with pytest.raises(ProblemError):
            decisions.decide(body)
        return
    chosen = decisions.decide(body).chosen.cost.row
    assert (chosen.llm, chosen.pool) in allowed


@given(st.sampled_from(LLMS), st.floats(0, 1e6), st.booleans())
def test_no_price_changes_the_llm_that_was_asked_for(llm: str, price: float, named: bool) -> None:
    decisions = decision_service()
    decisions.publish(Policy("weights", {}, price, min_mean_quality=1.0))
    asked = {"llm": llm} if named else {"request": {"model": llm}}
    for _ in range(5):
        body = DecisionBody.model_validate({"input_tokens": 10, "output_tokens": 10, **asked})
        assert decisions.decide(body).chosen.cost.row.llm == llm


def ask(decisions: DecisionService, pool: str, name: str | None = None) -> PlacementRow:
    candidates = [CandidateBody(llm="a", pool=pool)]
    body = DecisionBody(id=name, input_tokens=10, output_tokens=100, candidates=candidates)
    return decisions.decide(body).chosen.cost.row


def test_a_decision_made_again_elsewhere_leaves_its_first_pool() -> None:
    decisions = decision_service()
    ask(decisions, "x", "one")
    ask(decisions, "y", "one")
    assert ask(decisions, "x").concurrency == 1
    assert ask(decisions, "y").concurrency == 4


def test_what_ended_elsewhere_leaves_the_pool_that_was_decided() -> None:
    decisions = decision_service()
    ask(decisions, "x", "one")
    decisions.ended("one", "y")
    assert ask(decisions, "x").concurrency == 1


def level(
    decisions: DecisionService, pool: str, name: str | None, concurrency: float | None = None
) -> tuple[int, bool]:
    found = decisions.predicted("a", pool, Terms(Prompts.of(10), 100), name, concurrency)
    assert found is not None
    return found[0].row.concurrency, found[1]


KNOWN, GUESSED = True, False


def test_what_ended_leaves_its_load_at_once_and_its_concurrency_until_it_is_forgotten() -> None:
    decisions = decision_service()
    ask(decisions, "x", "one")
    assert level(decisions, "x", "one") == (1, KNOWN)
    decisions.ended("one", "x")
    assert ask(decisions, "x", "two").concurrency == 1
    assert level(decisions, "x", "one") == (1, KNOWN)
    decisions.forget("one")
    assert level(decisions, "x", "one") == (4, GUESSED)


def test_of_decisions_whose_actuals_do_not_come_nothing_computed_is_remembered() -> None:
    def computed() -> int:
        gc.collect()
        return sum(isinstance(one, Terms) for one in gc.get_objects())

    decisions, before = decision_service(), computed()
    for number in range(100):
        ask(decisions, "x", f"open-{number}")
    remembered = decisions.decided("open-99")
    assert remembered is not None
    assert (remembered.pool, remembered.prompts.tokens) == ("x", 10.0)
    assert computed() == before


def test_without_a_decision_the_concurrency_of_several_levels_is_not_known() -> None:
    decisions = decision_service()
    ask(decisions, "x", "one")
    assert level(decisions, "x", None) == (4, GUESSED)
    assert level(decisions, "y", "one") == (4, GUESSED)
    decisions.load(ROWS[::2])
    assert level(decisions, "x", None) == (1, KNOWN)


@pytest.mark.parametrize(("stated", "counts"), [(1, 1), (1.01, 4), (4, 4), (90, 4)])
def test_a_stated_concurrency_counts_as_the_least_level_that_holds_it(
    stated: float, counts: int
) -> None:
    decisions = decision_service()
    assert level(decisions, "x", None, stated) == (counts, KNOWN)
    ask(decisions, "x", "one")
    assert level(decisions, "x", "one", stated) == (counts, KNOWN)


def test_a_load_expires_with_its_predicted_time() -> None:
    clock = Clock()
    decisions = decision_service(clock)
    ask(decisions, "x")
    assert ask(decisions, "x").concurrency == 4
    clock.now = 100.0
    assert ask(decisions, "x").concurrency == 1


def test_at_many_slots_the_next_is_free_long_before_all_have_ended() -> None:
    decisions = decision_service()
    waits = []
    for _ in range(9):
        quote = decisions.decide(
            DecisionBody(
                input_tokens=10,
                output_tokens=100,
                candidates=[CandidateBody(llm="a", pool="x")],
            )
        ).chosen
        waits.append(quote.wait_s)
    # Four slots; the first runs alone for 1 s, the others for 4 s, each of the next four after one.
    assert waits == pytest.approx([0.0, 0.0, 0.0, 0.0, 1.0, 4.0, 4.0, 4.0, 5.0])


def test_where_all_are_late_the_runner_up_is_late_too() -> None:
    decisions = decision_service()
    body = DecisionBody(llm="a", input_tokens=10, output_tokens=100, deadline_seconds=0.5)
    found = decisions.decide(body)
    assert not found.chosen.in_time
    runner_up = answer_of(found)["runner_up"]
    assert runner_up is not None
    assert runner_up["why"] == "late"


def test_a_correction_is_in_what_is_predicted_and_shown() -> None:
    decisions = decision_service()
    plain = decisions.decide(DecisionBody(llm="a", input_tokens=10, output_tokens=100))
    for _ in range(50):
        decisions.calibration.add(BiasKey("a", "1xh100", "", "energy"), 1.4, 1.0)
        decisions.calibration.add(BiasKey("a", "1xh100", "", "runtime"), 0.5, 1.0)
    decisions.ended(plain.decision_id, plain.chosen.cost.row.pool)
    cost = decisions.decide(DecisionBody(llm="a", input_tokens=10, output_tokens=100)).chosen
    before = plain.chosen.cost
    assert cost.cost.energy_factor == pytest.approx(1.4)
    assert cost.cost.energy_j == pytest.approx(1.4 * before.energy_j)
    assert cost.cost.runtime_s == pytest.approx(0.5 * before.runtime_s)
    plain_again = replace(
        cost.cost, row=ROWS[1], energy_j=200.0, device_seconds=1.0, energy_factor=1.0,
        runtime_factor=1.0,
    )  # fmt: skip
    assert decisions.predicted("a", "x", Terms(Prompts.of(10), 100), None, 4) == (
        plain_again,
        KNOWN,
    )
    decisions.load(tuple(replace(one, cost_model="fitted again") for one in ROWS))
    again = decisions.decide(DecisionBody(llm="a", input_tokens=10, output_tokens=100))
    assert again.chosen.cost.energy_factor == 1.0


@pytest.mark.parametrize("source", [PLAN, WEIGHTS])
def test_somebodys_policy_that_expires_is_shown(source: str) -> None:
    clock = Clock()
    decisions = DecisionService(wall_clock=clock)
    assert (decisions.policy_expired(), decisions.policy_age_s()) == (False, 0.0)
    decisions.publish(Policy(source, made_at=0.0, expires_at=360.0))
    clock.now = 300.0
    assert (decisions.policy_expired(), decisions.policy_age_s()) == (False, 300.0)
    clock.now = 400.0
    assert (decisions.policy_expired(), decisions.policy_age_s()) == (True, 400.0)


def test_a_forecast_that_runs_out_is_as_if_there_were_none() -> None:
    clock = Clock()
    decisions = DecisionService(wall_clock=clock)
    decisions.publish(Policy(FORECAST, made_at=0.0, expires_at=360.0))
    clock.now = 300.0
    assert (decisions.policy_expired(), decisions.policy_age_s()) == (False, 300.0)
    clock.now = 400.0
    assert decisions.policy.source == "fallback"
    assert (decisions.policy_expired(), decisions.policy_age_s()) == (False, 0.0)


def test_forecasts_offer_the_pools_that_would_do_in_time_were_they_idle() -> None:
    slow = replace(ROWS[0], pool="slow", seconds=(("tout", 1.0),))
    decisions = DecisionService(clock=Clock(), wall_clock=Clock())
    decisions.load((*ROWS, slow))
    ask(decisions, "x")
    assert ask(decisions, "x").concurrency == 4
    body = DecisionBody(llm="a", input_tokens=10, output_tokens=100, deadline_seconds=2.0)
    for _ in range(MIN_REQUESTS):
        in_time = {one.cost.row.pool: one.in_time for one in decisions.decide(body).quotes}
        # A second on an idle device, four beside others, a hundred on the slow one.
        assert in_time["x"] is False
    found = [one for one in decisions.traffic.forecast(0.0) if one.deadline_s is not None]
    assert len(found) == MIN_REQUESTS
    assert {frozenset(one.keys) for one in found} == {frozenset({("a", "x"), ("a", "y")})}


def test_forecasts_offer_all_pools_where_none_would_do_in_time() -> None:
    decisions = decision_service()
    body = DecisionBody(llm="a", input_tokens=10, output_tokens=100, deadline_seconds=0.5)
    for _ in range(MIN_REQUESTS):
        decisions.decide(body)
    (keys,) = {one.keys for one in decisions.traffic.forecast(0.0)}
    assert set(keys) == {("a", "x"), ("a", "y")}
