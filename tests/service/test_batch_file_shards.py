"""From a batch file to shards: nothing is lost, and nothing but the LLM's name changes."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls.batch_files.lines import line_spans
from service.calls.batch_files.model_place import (
    ModelPlace,
    ModelValueKind,
    RepeatedKeyError,
    place_of_model,
    plain_place,
    walked_place,
    written,
)
from service.calls.batch_files.openai_batch import (
    BadLinesError,
    OpenAiBatch,
    read_lines,
)
from service.calls.batch_files.shards import ServedNames, draft_shards, write_shard
from service.calls.schemas.batch_query import TokenRule
from service.calls.schemas.names import read_llm
from service.calls.schemas.shards import Shard
from tests.service.batch_lines import LLMS, Parts, batch_files, batch_lines

PLACEMENTS = [
    {"index": i, "llm": LLMS[i % 2], "pool": f"p{i}", "device": "d", "concurrency": 8 + i}
    for i in range(4)
]
RULE = TokenRule(output_tokens=9)


def line(body: str, name: str = "a") -> bytes:
    url = '"url":"/v1/chat/completions"'
    return f'{{"custom_id":"{name}","method":"POST",{url},"body":{body}}}'.encode()


def edited(text: bytes, name: str) -> bytes:
    named = isinstance(json.loads(text)["body"].get("model"), str)
    place = place_of_model(text, named=named)
    return text[: place.start] + written(name, place.kind) + text[place.end :]


def sharded(
    batch: OpenAiBatch, placement: Sequence[int], runtime_s: Sequence[float], served: dict[str, str]
) -> list[tuple[Shard, bytes]]:
    """Return the shards of a file; lines with placement -1 fit none."""
    where = np.array(placement)
    kept = np.flatnonzero(where >= 0)
    drafts = draft_shards(PLACEMENTS, kept, where[kept], np.array(runtime_s)[kept], len(where))
    names = ServedNames(batch.lines, served)
    found = []
    for draft in drafts:
        blocks: list[bytes] = []
        found.append((write_shard(draft, batch.lines, names, blocks.append), b"".join(blocks)))
    return found


@given(batch_lines(0))
@settings(max_examples=100)
def test_the_place_of_the_name_is_found_to_the_byte(parts: Parts) -> None:
    expected = ModelPlace(
        len(parts.before), len(parts.before) + len(parts.name), ModelValueKind.TEXT
    )
    assert place_of_model(parts.line, named=True) == expected
    assert walked_place(parts.line) == expected
    assert plain_place(parts.line) in {None, expected}


@given(st.data())
@settings(max_examples=50)
def test_every_line_is_in_one_shard_byte_for_byte_but_for_the_name(data: st.DataObject) -> None:
    file, parts = data.draw(batch_files())
    batch = read_lines(file, RULE)
    assert len(batch.lines) == len(parts)
    n = len(parts)
    placement = data.draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n))
    runtime_s = data.draw(st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=n, max_size=n))
    served = data.draw(st.sampled_from([{}, {LLMS[0]: 'a/"B"é'}]))
    seen = []
    for shard, content in sharded(batch, placement, runtime_s, served):
        assert (len(content), content.count(b"\n")) == (shard.size, shard.lines)
        indices = [
            i for i in range(n) if placement[i] == (-1 if shard.llm is None else shard.placement)
        ]
        indices.sort(key=lambda i: 0.0 if shard.llm is None else -runtime_s[i])
        expected = b""
        for index in indices:
            part = parts[index]
            own = json.loads(part.name)
            name = part.name
            if shard.llm in served:
                if served[shard.llm] != own:
                    name = json.dumps(served[shard.llm], ensure_ascii=False).encode()
            elif shard.llm is not None and read_llm(own) != shard.llm:
                others = [json.loads(p.name) for p in parts]
                named = [o for o in others if read_llm(o) == shard.llm] or [shard.llm]
                name = json.dumps(named[0]).encode()
            expected += part.before + name + part.after + part.ending
        assert content == expected
        seen += indices
    assert sorted(seen) == list(range(n))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{}", '{"model":"n"}'),
        ("{ \t}", '{"model":"n" \t}'),
        ('{"a": {"model": "x"}}', '{"model":"n","a": {"model": "x"}}'),
        ('{ "a":1}', '{"model":"n", "a":1}'),
        ('{"model" : null, "a": 1e2}', '{"model" : "n", "a": 1e2}'),
        ('{"mod\\u0065l": "x"}', '{"mod\\u0065l": "n"}'),
        ('{"\\"model": 1, "model":"x"}', '{"\\"model": 1, "model":"n"}'),
        ('{"a":"\\\\","model":"\\"x"}', '{"a":"\\\\","model":"n"}'),
        ('{"t":1,"t":2.50,"model":"x"}', '{"t":1,"t":2.50,"model":"n"}'),
        ('{"m":["model","model"],"model":"x"}', '{"m":["model","model"],"model":"n"}'),
    ],
)
def test_the_name_is_put_where_it_belongs(body: str, expected: str) -> None:
    assert edited(line(body), "n") == line(expected)


def test_a_model_beside_the_body_is_left_alone() -> None:
    text = b'{"model":"x","body":{"model":"y"},"z":{"body":{"model":"z"}}}'
    assert edited(text, "n") == text.replace(b'"y"', b'"n"')


@pytest.mark.parametrize(
    "text",
    [
        line('{"model":"x","model":"x"}'),
        line('{"model":"x","mod\\u0065l":"y"}'),
        b'{"body":{"model":"x"},"body":{"model":"y"}}',
        b'{"b\\u006fdy":{},"body":{"model":"y"}}',
        b'{"custom_id":"a","custom_id":"a","body":{"model":"y"}}',
    ],
)
def test_members_that_are_read_may_stand_once(text: bytes) -> None:
    with pytest.raises(RepeatedKeyError, match="once"):
        place_of_model(text, named=True)


GOOD = line('{"model":"a/B","messages":[],"max_tokens":1}')


def test_ends_of_lines_stay_and_a_byte_order_mark_goes() -> None:
    other = GOOD.replace(b'"a"', b'"b"')
    third = GOOD.replace(b'"a"', b'"c"')
    batch = read_lines(b"\xef\xbb\xbf" + GOOD + b"\r\n \r\n\n" + other + b"\r" + third, RULE)
    assert list(batch.lines.numbers) == [1, 4, 5]
    lines = [batch.lines.line(index) for index in range(3)]
    assert lines == [GOOD + b"\r\n", other + b"\r", third + b"\n"]


def test_lines_are_numbered_as_editors_do() -> None:
    spans = line_spans(b"a\n\r\nb\r\rc\r\n\n \nd")
    assert [number for number, *_ in spans] == [1, 3, 5, 8]


DEEP = b'{"body":' * 2000 + b"1" + b"}" * 2000
PROMPT = line('{"input":' + '{"content":' * 600 + '"12345678"' + "}" * 600 + ',"max_tokens":1}')


@pytest.mark.parametrize(
    ("text", "pointer", "detail"),
    [
        (b"", "", "at least one line"),
        (b" \r\n\n", "", "at least one line"),
        (b"x", "/lines/1", "Expected JSON"),
        (GOOD + b"\n" + GOOD[:-1], "/lines/2", "Expected JSON"),
        (GOOD.replace(b"a/B", b"\xff\xfe"), "/lines/1", "Expected JSON"),
        (GOOD.replace(b"a/B", b"\\ud800"), "/lines/1", "Expected JSON"),
        (GOOD.replace(b":1}", b":NaN}"), "/lines/1", "Expected JSON"),
        (GOOD.decode().encode("utf-16"), "/lines/1", "Expected JSON"),
        (DEEP, "/lines/1", "Expected JSON"),
        (b"[1]", "/lines/1", "an object with custom_id"),
        (GOOD.replace(b'"a/B"', b"3"), "/lines/1/body/model", "Expected text, got 3."),
        (GOOD.replace(b"POST", b"GET"), "/lines/1/method", "POST"),
        (GOOD.replace(b"/v1/chat/completions", b"/v1/embeddings"), "/lines/1/url", "/v1/chat"),
        (GOOD.replace(b'"/v1/chat/completions"', b"[1]"), "/lines/1/url", "/v1/chat"),
        (GOOD.replace(b'"a"', b"7"), "/lines/1/custom_id", "as text"),
        (b"\n" + GOOD + b"\n" + GOOD, "/lines/3/custom_id", "as on line 2"),
        (GOOD.replace(b"1}", b'1,"model":"c"}'), "/lines/1", "body.model once"),
        (GOOD.replace(b":1}", b':1,"n":true}'), "/lines/1/body/n", "a whole number"),
    ],
)
def test_bad_lines_are_reported_by_their_number(text: bytes, pointer: str, detail: str) -> None:
    with pytest.raises(BadLinesError) as caught:
        read_lines(text, RULE)
    (error, *others) = caught.value.complaints.first
    assert (error.pointer, others[1:]) == (pointer, [])
    assert detail in error.detail


def test_a_prompt_as_deep_as_json_is_read_to_its_end() -> None:
    assert read_lines(PROMPT, RULE).columns["input_tokens"] == [2]


def test_a_line_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.calls.batch_files.openai_batch.MAX_LINE_BYTES", 20)
    with pytest.raises(BadLinesError, match="at most 20 bytes"):
        read_lines(GOOD, RULE)


def test_bad_lines_that_are_alike_are_reported_once_with_their_count() -> None:
    with pytest.raises(BadLinesError) as caught:
        read_lines(b"x\n" * 250, RULE)
    complaints = caught.value.complaints
    assert (complaints.count, len(complaints.first)) == (1, 1)
    assert complaints.first[0].pointer == "/lines/1"
    assert complaints.first[0].detail.endswith(
        "(and 249 more alike, such as /lines/2, /lines/3, /lines/4)"
    )


def test_bad_lines_that_differ_are_counted_and_the_first_ones_reported() -> None:
    lines = (GOOD.replace(b'"a/B"', b"%d" % number) for number in range(250))
    with pytest.raises(BadLinesError) as caught:
        read_lines(b"\n".join(lines), RULE)
    complaints = caught.value.complaints
    assert (complaints.count, len(complaints.first)) == (250, 100)


def test_shards_whose_names_would_be_the_same_have_others() -> None:
    placements = [
        {"index": 0, "llm": "a__b", "pool": "c", "concurrency": 1},
        {"index": 1, "llm": "a", "pool": "b__c", "concurrency": 1},
        {"index": 2, "llm": "a", "pool": "P", "concurrency": 1},
    ]
    drafts = draft_shards(placements, np.arange(3), np.arange(3), np.ones(3), 3)
    assert [d.filename for d in drafts] == [
        "a__b__c__1__0.jsonl", "a__b__c__1__1.jsonl", "a__P__1.jsonl",
    ]  # fmt: skip
