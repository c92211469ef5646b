"""Bodies of four APIs that are drawn with their count: only what the server reads counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls.batch_files.openai_batch import read_lines
from service.calls.reading import read_document
from service.calls.schemas.batch_query import TokenRule
from service.calls.schemas.calls import PlanRequest
from tests.service.calls.prompts.decisions import decided, line_of

Draw = Callable[[st.SearchStrategy[Any]], Any]


TEXT = st.text(max_size=30)


VALUE: st.SearchStrategy[Any] = st.recursive(
    # Of larger integers readers of JSON make floats, or not: some characters more.
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)


OBJECT = st.dictionaries(st.text(max_size=4), VALUE, max_size=3)


NOTHING = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + 90 * "A"}}


PLAIN = {"type": "input_image", "file_id": "file-1", "detail": "high"}


@dataclass
class Drawn:
    """A body, and what its server reads of it.

    Attributes
    ----------
    own
        Characters and token ids of each prompt that it lists; one for a body that lists none.
    shared
        Characters that are read with each.
    """

    body: dict[str, Any]
    own: list[tuple[int, int]]
    shared: int = 0

    @property
    def tokens(self) -> list[int]:
        """Tokens of each prompt, as estimated."""
        return [ceil((chars + self.shared) / 4.0) + ids for chars, ids in self.own]


def compact(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def content(draw: Draw, *kinds: str) -> tuple[Any, int]:
    """Return content of a message as text or parts, and its characters."""
    form = draw(st.sampled_from(["none", "text", "parts"]))
    if form == "none":
        return None, 0
    texts = draw(st.lists(TEXT, max_size=3))
    if form == "text":
        return "".join(texts), len("".join(texts))
    parts = [{"type": draw(st.sampled_from(kinds)), "text": text} for text in texts]
    parts += draw(st.sampled_from([[], [NOTHING], [PLAIN, NOTHING]]))
    return parts, len("".join(texts))


def tools(draw: Draw, body: dict[str, Any], name: str = "tools") -> int:
    """Add tools to a body, and return their characters."""
    given = draw(st.none() | st.lists(OBJECT, max_size=2))
    if given is None:
        return 0
    body[name] = given
    return compact(given) if given else 0


@st.composite
def chats(draw: Draw) -> Drawn:
    messages, count = [], 0
    for _ in range(draw(st.integers(0, 3))):
        inner, characters = content(draw, "text", "input_text")
        message: dict[str, Any] = {
            "role": draw(st.sampled_from(["user", "tool"])),
            "content": inner,
        }
        if draw(st.booleans()):
            function, arguments = draw(TEXT), draw(TEXT)
            call = {"id": 50 * "i", "type": "function"}
            message["tool_calls"] = [
                call | {"function": {"name": function, "arguments": arguments}}
            ]
            characters += len(function) + len(arguments)
        if draw(st.booleans()):
            message |= {"tool_call_id": 40 * "c", "reasoning": (thought := draw(TEXT))}
            characters += len(thought)
        messages.append(message)
        count += characters
    body: dict[str, Any] = {"messages": messages, "tool_choice": "auto", "stop": ["a" * 30]}
    count += tools(draw, body) + tools(draw, body, "functions")
    if draw(st.booleans()):
        schema = draw(OBJECT)
        body["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
        count += compact({"schema": schema})
    return Drawn(body, [(count, 0)])


@st.composite
def completions(draw: Draw) -> Drawn:
    ids = st.lists(st.integers(0, 10**6), min_size=1, max_size=9)
    suffix = draw(st.none() | TEXT)
    prompt = draw(TEXT | ids | st.lists(TEXT, min_size=1) | st.lists(ids, min_size=1))
    listed = isinstance(prompt, list) and not isinstance(prompt[0], int)
    own = [
        (len(one), 0) if isinstance(one, str) else (0, len(one))
        for one in (prompt if listed else [prompt])
    ]
    return Drawn({"prompt": prompt, "suffix": suffix, "logprobs": 1}, own, len(suffix or ""))


@st.composite
def responses(draw: Draw) -> Drawn:
    body: dict[str, Any] = {"instructions": draw(st.none() | TEXT), "include": ["x" * 40]}
    count = len(body["instructions"] or "") + tools(draw, body)
    if draw(st.booleans()):
        body["input"] = draw(TEXT)
        return Drawn(body, [(count + len(body["input"]), 0)])
    body["input"] = []
    for kind in draw(st.lists(st.sampled_from(["message", "call", "output"]), max_size=3)):
        if kind == "message":
            inner, characters = content(draw, "input_text", "output_text")
            body["input"].append({"type": "message", "role": "user", "content": inner})
        elif kind == "call":
            name, arguments = draw(TEXT), draw(TEXT)
            item = {"type": "function_call", "call_id": 40 * "c", "name": name}
            body["input"].append(item | {"arguments": arguments})
            characters = len(name) + len(arguments)
        else:
            output = draw(TEXT)
            body["input"].append({"type": "function_call_output", "output": output})
            characters = len(output)
        count += characters
    return Drawn(body, [(count, 0)])


@st.composite
def anthropic(draw: Draw) -> Drawn:
    system, count = content(draw, "text")
    blocks: list[dict[str, Any]] = []
    for kind in draw(st.lists(st.sampled_from(["text", "thinking", "use", "result"]), max_size=4)):
        text = draw(TEXT)
        count += len(text)
        if kind == "use":
            given = draw(OBJECT)
            blocks.append({"type": "tool_use", "id": 30 * "i", "name": text, "input": given})
            count += compact(given)
        elif kind == "result":
            blocks.append({"type": "tool_result", "tool_use_id": "i", "content": text})
        else:
            blocks.append({"type": kind, kind: text, "signature": 90 * "s"})
    body = {"system": system, "messages": [{"role": "user", "content": blocks}]}
    return Drawn(body, [(count + tools(draw, body), 0)])


TERMS = st.fixed_dictionaries(
    {},
    optional={
        "n": st.none() | st.integers(1, 1_024) | st.integers(1, 9).map(float),
        "best_of": st.none() | st.integers(1, 9),
        "temperature": st.floats(0, 2),
        "stream": st.booleans(),
    },
)


@settings(deadline=None, max_examples=300)
@given(st.one_of(chats(), completions(), responses(), anthropic()), TERMS)
def test_all_text_that_the_server_reads_counts_and_nothing_else(
    drawn: Drawn, terms: dict[str, Any]
) -> None:
    body = {"model": "a", "max_tokens": 9} | drawn.body | terms
    made = decided(json.dumps({"request": body}).encode())
    most = max(1, *(int(terms.get(name) or 1) for name in ("n", "best_of")))
    assert made.tokens.prompts.size == len(drawn.tokens)
    assert made.tokens.prompts.tokens == sum(max(1, one) for one in drawn.tokens)
    assert made.tokens.prompts.longest == max(1, *drawn.tokens)
    assert (made.tokens.choices, made.tokens.output_tokens) == (most, 9)
    columns = read_lines(line_of(body), TokenRule()).columns
    (stated,) = columns["input_tokens"]
    assert ([stated] if isinstance(stated, int) else stated) == drawn.tokens
    assert columns.get("choices", [1]) == [most]
    call = read_document({"columns": columns}, PlanRequest)
    assert call is not None
    assert call.batch.sequences == most * len(drawn.tokens)
