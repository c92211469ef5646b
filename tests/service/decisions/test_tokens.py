"""Tokens of requests that clients wrote: whatever they state, counts that a plan could have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.one_request import Prompts, Terms
from service.calls.prompts.members import LIMITS
from service.calls.prompts.reader import prompts_of
from service.calls.schemas.actuals import ActualBody
from service.calls.schemas.calls import PlanRequest
from service.calls.schemas.decisions import DecisionBody
from service.calls.schemas.fields import MAX_TOKENS
from service.calls.validation import parse
from service.decisions.cost import cost_of
from service.decisions.decision_service import DecisionService
from service.decisions.learned_lengths import LearnedLengths
from service.decisions.token_estimate import (
    estimate_tokens,
    input_tokens,
    output_limit,
    terms_of_actual,
)
from service.decisions.tokenizers import Tokenizers
from service.decisions.traffic import MAX_REQUESTS, MIN_REQUESTS, plan_of
from service.problems import ProblemError
from tests.service.decisions.rows import ROWS

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**6, max_value=10**450),
    st.floats(),
    st.text("ab7", max_size=3),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.sampled_from(["n", "max_tokens"]), st.integers(), max_size=2),
)
REQUESTS = st.dictionaries(st.sampled_from([*LIMITS, "n", "prompt", "messages", "input"]), JUNK)


@given(REQUESTS)
def test_a_limit_is_a_count_that_calls_may_state_or_none(request: dict[str, Any]) -> None:
    limit = output_limit(request)
    assert limit is None or 1 <= limit <= MAX_TOKENS
    for prompt in prompts_of(request):
        assert 1 <= input_tokens(prompt) <= MAX_TOKENS


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(
    ("stated", "limit"),
    [
        ("7", 7),
        (str(MAX_TOKENS), MAX_TOKENS),
        (str(10**18), MAX_TOKENS),
        ("9" * 400, MAX_TOKENS),
        *((junk, None) for junk in ("-1", "-" + "9" * 400, "true", "1.5", '"7"')),
        ("1e3", 1000.0),
        ("0", None),
        ("-1.0", None),
        *((junk, None) for junk in ("NaN", "Infinity", "null", "[7]", '{"n": 7}')),
    ],
)
def test_a_limit_is_cut_as_it_is_read(name: str, stated: str, limit: float | None) -> None:
    body = parse(f'{{"llm": "a", "request": {{"{name}": {stated}}}}}'.encode(), DecisionBody)
    assert output_limit(body.request or {}) == limit


@pytest.mark.parametrize(
    ("request_body", "limit"),
    [
        ({"max_completion_tokens": -1, "max_tokens": 50}, 50),
        ({"max_completion_tokens": 7, "max_tokens": -1}, 7),
        ({"max_tokens": 0, "echo": True}, 1),
        ({"max_tokens": -1, "echo": True}, None),
        ({"max_output_tokens": 0, "echo": True}, None),
        ({"max_tokens": 0, "echo": 1}, None),
    ],
)
def test_zero_and_less_are_no_limit_unless_a_prompt_is_echoed(
    request_body: dict[str, Any], limit: float | None
) -> None:
    assert output_limit(request_body) == limit


def test_a_longer_prompt_than_any_context_is_cut() -> None:
    body = DecisionBody(llm="a", request={"prompt": "x" * (4 * MAX_TOKENS + 4)})
    tokens = estimate_tokens(body, "a", LearnedLengths(), Tokenizers())
    assert tokens.prompts.tokens == MAX_TOKENS


def test_the_traffic_of_any_request_can_be_planned() -> None:
    decisions = DecisionService()
    decisions.load(ROWS)
    for number in range(MIN_REQUESTS):
        decisions.decide(DecisionBody(llm="a", request={"prompt": "x", "max_tokens": 10**number}))
    asked = decisions.traffic.forecast(max(one.at for one in decisions.traffic.forecast(0.0)))
    body = PlanRequest.model_validate_json(orjson.dumps(plan_of(asked, asked[-1].at, None)))
    assert body.columns is not None
    assert len(body.columns.input_tokens) == MIN_REQUESTS


def test_choices_are_slots_of_one_decision_and_actuals_of_them_are_no_surprise() -> None:
    decisions = DecisionService()
    decisions.load(ROWS)
    asked = {"prompt": "x" * 400, "max_tokens": 100}
    one = decisions.decide(DecisionBody(llm="a", request=asked))
    decisions.ended(one.decision_id, one.chosen.cost.row.pool)
    made = decisions.decide(DecisionBody(llm="a", request=asked | {"n": 5}))
    assert made.tokens.choices == 5
    assert made.tokens.output_tokens == one.tokens.output_tokens
    chosen = made.chosen.cost
    pool = chosen.row.pool
    assert made.chosen.slots == min(5, chosen.row.concurrency * chosen.row.devices)
    assert decisions._loads.of(pool, decisions._clock()).in_flight == made.chosen.slots
    # All five answers come back in one usage: judged by what was decided, the ratio is 1.
    found = decisions.predicted("a", pool, Terms(Prompts.of(100.0), 500.0 / 5, 5), made.decision_id)
    assert found is not None
    assert found[0].energy_j == pytest.approx(chosen.energy_j)
    assert found[0].runtime_s == pytest.approx(chosen.runtime_s)
    decisions.ended(made.decision_id, pool)
    assert decisions._loads.of(pool, decisions._clock()).in_flight == 0


def test_choices_cost_one_prompt_and_end_with_one() -> None:
    row = next(row for row in ROWS if row.llm == "a")
    wide = replace(row, concurrency=8)
    one, two, five = (cost_of(wide, Terms(Prompts.of(100.0), 50.0, n)) for n in (1, 2, 5))
    each = two.energy_j - one.energy_j
    assert five.energy_j == pytest.approx(one.energy_j + 4 * each)
    assert five.energy_j <= 5 * one.energy_j * (1 + 1e-12)
    assert five.runtime_s <= one.runtime_s * (1 + 1e-12)
    # Where slots are fewer than answers, these take turns.
    single = replace(row, concurrency=1)
    by_turns = [cost_of(single, Terms(Prompts.of(100.0), 50.0, n)) for n in (1, 5)]
    assert by_turns[1].runtime_s == pytest.approx(by_turns[1].device_seconds)
    assert by_turns[1].runtime_s > 2 * by_turns[0].runtime_s


def test_prompts_cost_what_so_many_requests_cost() -> None:
    row = next(row for row in ROWS if row.llm == "a")
    for choices in (1, 3):
        lengths = (100.0, 7.0, 1000.0)
        each = [cost_of(row, Terms(Prompts.of(one), 50.0, choices)) for one in lengths]
        together = cost_of(row, Terms(Prompts.of(*lengths), 50.0, choices))
        assert together.energy_j == pytest.approx(sum(one.energy_j for one in each))
        assert together.device_seconds == pytest.approx(sum(one.device_seconds for one in each))
        assert together.sequences == 3 * choices


def test_a_list_of_prompts_is_judged_by_the_longest_and_takes_a_slot_for_each_answer() -> None:
    decisions = DecisionService()
    decisions.load(tuple(replace(row, max_context_tokens=150) for row in ROWS))
    asked = {"prompt": ["x" * 400, "x" * 40, [1, 2, 3]], "max_tokens": 50, "n": 2}
    made = decisions.decide(DecisionBody(llm="a", request=asked))
    assert made.tokens.prompts == Prompts.of(100.0, 10.0, 3.0)
    chosen = made.chosen
    pool = chosen.cost.row.pool
    assert chosen.slots == min(6, chosen.cost.row.concurrency * chosen.cost.row.devices)
    assert decisions._loads.of(pool, decisions._clock()).in_flight == chosen.slots
    stated = decisions.decide(DecisionBody(llm="a", input_tokens=[100, 10, 3], request=asked))
    assert stated.tokens.prompts == made.tokens.prompts
    # What a forecast learns of it is three requests.
    assert len(decisions.traffic._requests) == 6
    with pytest.raises(ProblemError):
        decisions.decide(DecisionBody(llm="a", input_tokens=[101, 10, 3], request=asked))


def test_actuals_of_several_prompts_are_no_surprise() -> None:
    decisions = DecisionService()
    decisions.load(ROWS)
    asked = {"prompt": ["x" * 400, "x" * 40], "max_tokens": 50, "n": 2}
    made = decisions.decide(DecisionBody(llm="a", request=asked))
    chosen = made.chosen.cost
    actual = ActualBody(
        decision_id=made.decision_id,
        llm="a",
        pool=chosen.row.pool,
        input_tokens=110.0,
        output_tokens=200.0,
    )
    terms, answers = terms_of_actual(actual, decisions.decided(made.decision_id))
    assert answers == 4
    found = decisions.predicted("a", chosen.row.pool, terms, made.decision_id)
    assert found is not None
    assert found[0].energy_j == pytest.approx(chosen.energy_j)
    by_number = actual.model_copy(update={"decision_id": None, "prompts": 2, "choices": 2})
    alike, answers = terms_of_actual(by_number, None)
    assert (alike, answers) == (Terms(Prompts.of(55.0, 55.0), 50.0, 2), 4)


def test_what_one_decision_holds_is_no_more_than_its_pool_has() -> None:
    decisions = DecisionService()
    decisions.load(ROWS)
    asked = {"prompt": 100_000 * ["x"], "max_tokens": 5, "n": 1_000}
    made = decisions.decide(DecisionBody(llm="a", request=asked))
    row = made.chosen.cost.row
    most = max(one.concurrency for one in ROWS if one.pool == row.pool) * row.devices
    assert decisions._loads.of(row.pool, decisions._clock()).in_flight == most
    assert len(decisions.traffic._requests) == MAX_REQUESTS
