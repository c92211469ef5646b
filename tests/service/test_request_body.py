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
from tests.service.request_members import TAKEN, WRONG


@pytest.mark.parametrize(("name", "value", "below", "detail"), WRONG)
def test_what_no_server_takes_is_refused_with_the_pointer_of_its_member(
    name: str, value: Any, below: str, detail: str
) -> None:
    for where in ((), ("request",)):
        with pytest.raises(ProblemError) as refused:
            check_body({"temperature": 1, name: value}, *where)
        (error,) = refused.value.problem.errors
        assert error.pointer == "".join(f"/{part}" for part in (*where, name)) + below
        assert error.detail == detail


@pytest.mark.parametrize(("name", "value", "below", "detail"), WRONG)
def test_batch_files_refuse_the_same(name: str, value: Any, below: str, detail: str) -> None:
    body = {"model": "a", "max_tokens": 9, "messages": [], name: value}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    with pytest.raises(BadLinesError) as refused:
        read_lines(json.dumps(line).encode(), TokenRule())
    (error,) = refused.value.complaints.first
    assert (error.pointer, error.detail) == (f"/lines/1/body/{name}{below}", detail)


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
