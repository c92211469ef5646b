"""Members that no server takes: refused by the same rule, whichever way a body comes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls.batch_files.openai_batch import BadLinesError, read_lines
from service.calls.request_body import check_body, invalid_members
from service.calls.schemas.batch_query import TokenRule
from service.problems import ProblemError

WRONG: list[tuple[str, Any, str, str]] = [
    ("max_tokens", "abc", "", "Expected a whole number, got 'abc'."),
    ("max_tokens", -0.5, "", "Expected a whole number, got -0.5."),
    ("max_completion_tokens", 1.5, "", "Expected a whole number, got 1.5."),
    ("max_output_tokens", True, "", "Expected a whole number, got true."),
    ("n", "5", "", "Expected a whole number from 1 to 1024, got '5'."),
    ("n", 0, "", "Expected a whole number from 1 to 1024, got 0."),
    ("n", [5], "", "Expected a whole number from 1 to 1024, got a list."),
    ("n", 1025, "", "Expected a whole number from 1 to 1024, got 1025."),
    ("best_of", 10**18, "", "Expected a whole number from 1 to 1024, got 1000000000000000000."),
    ("best_of", -1, "", "Expected a whole number from 1 to 1024, got -1."),
    ("messages", "hi", "", "Expected a list of messages, got text."),
    ("messages", {}, "", "Expected a list of messages, got an object."),
    ("messages", [{"role": "user"}, 1], "/1", "Expected a message, an object, got 1."),
    ("messages", [{"content": 5}], "/0/content", "Expected text or a list of parts, got 5."),
    ("prompt", 5, "", "Expected text or a list, got 5."),
    ("input", False, "", "Expected text or a list, got false."),
    ("model", 5, "", "Expected text, got 5."),
    ("model", 0, "", "Expected text, got 0."),
    ("model", {}, "", "Expected text, got an object."),
]
TAKEN: list[dict[str, Any]] = [
    {"max_tokens": None, "n": None, "best_of": None, "messages": None, "model": None},
    {"n": 1.0, "max_tokens": 20.0},
    {"max_tokens": 0, "echo": True},
    {"max_tokens": -1, "max_completion_tokens": 0, "max_output_tokens": -(10**400)},
    {"max_tokens": -1.0},
    {"max_tokens": 10**400},
    {"prompt": {"id": "pmpt_1"}},
    {"messages": [{"role": "assistant", "content": None}, {"role": "user", "content": []}]},
    {"tools": "whatever", "temperature": "x", "stream": 3},
]


@pytest.mark.parametrize(("name", "value", "below", "told"), WRONG)
def test_what_no_server_takes_is_refused_with_the_pointer_of_its_member(
    name: str, value: Any, below: str, told: str
) -> None:
    for where in ((), ("request",)):
        with pytest.raises(ProblemError) as refused:
            check_body({"temperature": 1, name: value}, *where)
        (error,) = refused.value.problem.errors
        assert error.pointer == "".join(f"/{part}" for part in (*where, name)) + below
        assert error.detail == told


@pytest.mark.parametrize(("name", "value", "below", "told"), WRONG)
def test_batch_files_refuse_the_same(name: str, value: Any, below: str, told: str) -> None:
    body = {"model": "a", "max_tokens": 9, "messages": [], name: value}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    with pytest.raises(BadLinesError) as refused:
        read_lines(json.dumps(line).encode(), TokenRule())
    (error,) = refused.value.complaints.first
    assert (error.pointer, error.detail) == (f"/lines/1/body/{name}{below}", told)


@pytest.mark.parametrize("body", TAKEN)
def test_what_servers_take_is_taken(body: dict[str, Any]) -> None:
    check_body(body)


def test_texts_of_prompts_are_not_in_refusals() -> None:
    with pytest.raises(ProblemError) as refused:
        check_body({"messages": ["my secret", {"content": 1}, "secret too"]})
    assert "secret" not in str(refused.value.problem.errors)
    assert len(refused.value.problem.errors) == 3


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**4200), 10**4400) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)
NAMES = ("model", "n", "best_of", "max_tokens", "messages", "prompt", "input", "echo")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_any_body_is_taken_or_refused_in_short(body: dict[str, Any]) -> None:
    for wrong in invalid_members(body):
        assert wrong.path[0] in body
        assert len(wrong.detail) < 200


def test_the_first_of_many_wrong_members_are_reported_and_the_rest_counted() -> None:
    with pytest.raises(ProblemError) as refused:
        check_body({"messages": 1_000 * [1]})
    assert len(refused.value.problem.errors) == 100
    assert refused.value.problem.omitted == 900
