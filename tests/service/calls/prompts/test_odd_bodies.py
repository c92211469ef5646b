"""Whatever JSON a body is: it is decided, or refused in a sentence."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls.batch_files.openai_batch import BadLinesError, read_lines
from service.calls.messages import problem_body
from service.calls.schemas.batch_query import TokenRule
from service.problems import Problem, ProblemError
from tests.service.calls.prompts.decisions import decided, line_of

PARTS = [
    "content",
    "text",
    "type",
    "role",
    "input",
    "source",
    "data",
    "arguments",
    "tool_calls",
    "function",
    "name",
    "image_url",
    "format",
    "json_schema",
]


NAMES = [
    "model",
    "messages",
    "prompt",
    "input",
    "suffix",
    "system",
    "instructions",
    "documents",
    "tools",
    "functions",
    "response_format",
    "text",
    "n",
    "best_of",
    "max_tokens",
    "echo",
    "max_completion_tokens",
    "max_output_tokens",
    "previous_response_id",
    "prompt_embeds",
]


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**18, 2**64, -(2**63), 10**400, -(10**400)])
    | st.floats()
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(PARTS),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


MEMBERS = st.sampled_from(NAMES)


def deep(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value] if depth % 2 else {"content": value}
    return value


@settings(deadline=None, max_examples=500)
@given(st.dictionaries(MEMBERS, JUNK, max_size=5), st.sampled_from([0, 0, 0, 150, 151]), MEMBERS)
def test_any_body_is_decided_or_refused(body: dict[str, Any], depth: int, member: str) -> None:
    if depth:
        body = body | {member: deep(body.get(member), depth)}
    decision = json.dumps({"request": body, "llm": "a"}).encode()
    ends_well(decision, line_of({"max_tokens": 9} | body))


def ends_well(decision: bytes, line: bytes) -> None:
    """Make a decision and read a line, both of which may be refused."""
    with suppress(BadLinesError):
        read_lines(line, TokenRule(output_tokens=9))
    problem = refusal_of(decision)
    if problem is not None:
        assert problem.status in (400, 422)
        assert problem_body(problem, "/decision")


def refusal_of(decision: bytes) -> Problem | None:
    try:
        decided(decision)
    except ProblemError as refused:
        return refused.problem
    return None


@pytest.mark.parametrize(
    "text",
    [
        rb'{"prompt": "\ud800"}',
        rb'{"prompt": ["a", "\udfff\ud800"]}',
        b'{"prompt": "\xff"}',
        b'{"max_tokens": NaN}',
        b'{"n": 1e999}',
        b'{"n": -1e400}',
        b'{"max_tokens": ' + 5_000 * b"9" + b"}",
        b'{"n": -' + 5_000 * b"9" + b"}",
        b'{"model": ' + 5_000 * b"9" + b"}",
        b'{"tools": [' + 5_000 * b"9" + b"]}",
        b'{"messages": ' + 5_000 * b"[" + 5_000 * b"]" + b"}",
        b'{"prompt": [' + 150 * b"[" + b"1" + 150 * b"]" + b"]}",
        b'{"n": 1, "n": 2}',
        b'{"": {"": ""}}',
    ],
)
def test_texts_that_no_dictionary_makes_are_decided_or_refused(text: bytes) -> None:
    head = b'{"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": '
    ends_well(b'{"llm": "a", "request": ' + text + b"}", head + text + b"}")
