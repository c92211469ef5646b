"""Which text of a body counts: all that the server will read, each piece once, in every API."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.litellm.copy_prompts import HOOK, updated
from service.calls.prompts.reader import Prompt, json_text, prompts_of
from service.calls.prompts.stated import choices_of
from tests.service.calls.prompts.bodies import prompt_of

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


SCHEMA = {"name": "s", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}


CALL = {"id": "c", "type": "function", "function": {"name": "fn", "arguments": '{"q": 1}'}}


COUNTED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "text": ({"messages": [{"role": "user", "content": "hello", "name": "ann"}]}, ["hello", "ann"]),
    "tool calls": (
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]},
        ["fn", '{"q": 1}'],
    ),
    "function call": (
        {"messages": [{"role": "assistant", "function_call": {"name": "g", "arguments": "{}"}}]},
        ["g", "{}"],
    ),
    "refusal": (
        {"messages": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}]},
        ["no"],
    ),
    "tools": ({"prompt": "a", "tools": TOOLS, "functions": TOOLS}, ["a", *2 * [json_text(TOOLS)]]),
    "schema": (
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        [json_text(SCHEMA)],
    ),
    "no schema": ({"prompt": "a", "response_format": {"type": "json_object"}}, ["a"]),
    "schema of a response": (
        {"input": "a", "text": {"format": {"type": "json_schema", **SCHEMA}}},
        ["a", json_text({"type": "json_schema", **SCHEMA})],
    ),
    "response": (
        {
            "instructions": "brief",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "ask"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "think"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "args"},
                {"type": "function_call_output", "call_id": "c", "output": "out"},
                {
                    "type": "function_call_output",
                    "output": [{"type": "input_text", "text": "parts"}],
                },
            ],
        },
        ["brief", "ask", "think", "f", "args", "out", "parts"],
    ),
    "anthropic": (
        {
            "system": [{"type": "text", "text": "sys", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": 4000 * "s"},
                        {"type": "tool_use", "id": "t", "name": "u", "input": {"q": "v"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t", "content": "res"},
                        {
                            "type": "document",
                            "title": "T",
                            "source": {"type": "text", "media_type": "text/plain", "data": "doc"},
                        },
                    ],
                },
            ],
        },
        ["sys", "hm", "u", '{"q":"v"}', "res", "T", "doc"],
    ),
    "documents": ({"documents": [{"title": "t", "text": "body"}]}, ["t", "body"]),
    "constraints": ({"prompt": "a", "guided_json": SCHEMA, "structured_outputs": SCHEMA}, ["a"]),
    "one reasoning under four names": (
        {
            "messages": [
                {
                    "role": "assistant",
                    "reasoning_details": [{"type": "reasoning.text", "text": "r"}],
                    "thinking_blocks": [{"type": "thinking", "thinking": "r", "signature": "s"}],
                    "reasoning": "r",
                    "reasoning_content": "r",
                }
            ]
        },
        ["r"],
    ),
    "reasoning in details alone": (
        {
            "messages": [
                {
                    "role": "assistant",
                    "reasoning_content": None,
                    "reasoning_details": [{"type": "reasoning.text", "text": "r"}],
                }
            ]
        },
        ["r"],
    ),
    "what tools wrote": (
        {
            "input": [
                {"type": "shell_call_output", "output": [{"stdout": "so", "stderr": "se"}]},
                {"type": "apply_patch_call", "operation": {"diff": "d"}},
            ]
        },
        ["so", "se", '{"diff":"d"}'],
    ),
    "converse": (
        {
            "messages": [
                {"role": "assistant", "content": [{"toolUse": {"name": "t", "input": {"a": "b"}}}]},
                {"role": "user", "content": [{"toolResult": {"content": [{"json": {"c": "d"}}]}}]},
            ]
        },
        ["t", '{"a":"b"}', '{"c":"d"}'],
    ),
    "what a client puts into the body": (
        {"prompt": "a", "extra_body": {"tools": TOOLS, "prompt": "b"}},
        ["b", json_text(TOOLS)],
    ),
    "one reasoning under two names": (
        {"messages": [{"role": "assistant", "reasoning": "r", "reasoning_content": "r"}]},
        ["r"],
    ),
}


@pytest.mark.parametrize("case", COUNTED)
def test_all_that_the_server_reads_counts_once(case: str) -> None:
    body, texts = COUNTED[case]
    found = prompt_of(body)
    assert found.texts == texts
    assert not found.uncounted


def test_token_ids_count_one_each() -> None:
    assert [one.tokens for one in prompts_of({"prompt": [[1, 2, 3], [4]]})] == [3, 1]
    assert prompt_of({"prompt": [5, 6]}).tokens == 2
    assert prompt_of({"input": [5, 6]}).tokens == 2


@pytest.mark.parametrize("member", ["prompt", "input"])
def test_a_list_of_prompts_is_as_many_each_with_what_all_share(member: str) -> None:
    found = prompts_of({member: ["ab", [1, 2, 3], "", ["c"]], "suffix": "de"})
    assert [one.texts for one in found] == [["ab", "de"], ["de"], ["", "de"], ["c", "de"]]
    assert [one.tokens for one in found] == [0, 3, 0, 0]
    assert prompt_of({member: ["ab"], "suffix": "de"}).texts == ["ab", "de"]
    assert prompt_of({member: []}).texts == []


def test_what_is_no_list_of_prompts_is_one() -> None:
    for items in ([{"role": "user", "content": "ab"}, "c"], [1, 2], [], "abc"):
        assert len(prompts_of({"input": items})) == 1
    assert choices_of({"prompt": ["a", "b"], "n": 2}) == 2


def test_many_prompts_that_share_much_cost_what_they_are() -> None:
    shared = 500_000 * "s"
    found = prompts_of({"prompt": 100_000 * ["a"], "suffix": shared})
    assert {id(one.texts[-1]) for one in found} == {id(shared)}
    assert found[-1].characters == 500_001


@pytest.mark.parametrize("depth", [900, 20_000])
@pytest.mark.parametrize("member", ["messages", "input", "prompt", "tools", "response_format"])
def test_nesting_ends_in_a_count(member: str, depth: int) -> None:
    nested: Any = "end"
    for _ in range(depth):
        nested = {"content": [nested]}
    body = {member: {"type": "json_schema", "json_schema": nested, "content": nested}}
    if member == "prompt":
        body = {member: {"variables": body}}
    assert "end" in "".join(prompt_of(body).texts)
    assert prompt_of({member: {"type": nested}}).characters < 20 * depth


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["content", "text", "type", "input", "source", "data", "image_url", "role"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["messages", "prompt", "input", "tools", "text"]), JSON))
def test_any_body_is_counted_and_never_by_more_than_its_text(body: dict[str, Any]) -> None:
    found = prompts_of(body)
    length = len(json.dumps(body, ensure_ascii=False))
    assert all(one.characters <= length and one.tokens >= 0 for one in found)


def test_the_hook_of_litellm_reads_prompts_by_the_same_rule() -> None:
    hook = HOOK.read_text()
    assert updated(hook) == hook, "run `make hook`"
    assert inspect.getsource(Prompt) in hook
    assert inspect.getsource(prompts_of) in hook


@pytest.mark.parametrize(
    ("body", "choices"),
    [
        ({"extra_body": {"n": 5}}, 5),
        ({"n": 2, "extra_body": {"best_of": 3.0}}, 3),
        ({"num_return_sequences": 4}, 4),
        ({"n": 2, "extra_body": "n"}, 2),
    ],
)
def test_answers_are_those_of_the_body_that_is_sent(body: dict[str, Any], choices: int) -> None:
    assert choices_of(body) == choices


def test_prompts_of_one_text_are_made_once_and_read_as_each() -> None:
    listed = ["a", [1, 2], "", "a", [1, 2], ""]
    found = prompts_of({"prompt": listed, "suffix": "b"})
    assert [(one.texts, one.tokens) for one in found] == [
        (["a", "b"], 0),
        (["b"], 2),
        (["", "b"], 0),
    ] * 2
    assert len({id(one) for one in found}) == 4
