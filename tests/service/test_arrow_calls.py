"""Calls and answers as Arrow streams: the same as in JSON; hostile ones are refused."""

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from service.calls.content import to_bytes
from service.calls.messages import ARROW
from service.calls.planner_service import PlannerService
from service.calls.schemas.answers import PlanAnswer
from service.calls.schemas.information import ProblemAnswer
from tests.service.answers import checked
from tests.service.arrow_streams import json_of, reply_to, stream, table_of
from tests.service.bodies import Json, a100_fleet, call, columns, pointers

TERMS = {"fleet": a100_fleet(), "constraints": {"deadline_seconds": 5000.0}}
RICH: Json = {
    "id": ["x", "ÿ", 'z,"'],
    "input_tokens": [100, 150, 200],
    "output_tokens": [40, 70, 100],
    "llms": [None, ["llama-2-7b-chat"], ["llama-2-13b-chat", "llama-2-7b-chat"]],
    "pools": [["a100"], None, ["a100"]],
    "min_quality": [0.5, None, None],
    "deadline_seconds": [100.0, None, 2000.0],
    "pinned": [{"pool": "a100", "device_index": 1}, None, {"llm": "llama-2-7b-chat"}],
}
NAME_LISTS = [
    pa.list_(pa.string()),
    pa.list_(pa.dictionary(pa.int8(), pa.string())),
    pa.large_list(pa.large_string()),
    pa.list_(pa.string_view()),
]


def timeless(answer: Json) -> Json:
    """Return an answer without what differs from call to call."""
    return {k: v for k, v in answer.items() if k not in {"plan_id", "timings_seconds"}}


@pytest.mark.parametrize("lists", NAME_LISTS, ids=str)
@pytest.mark.parametrize("texts", [pa.string(), pa.dictionary(pa.int32(), pa.large_string())])
@pytest.mark.parametrize("tokens", [pa.int16(), pa.uint64()], ids=str)
def test_a_stream_is_planned_as_the_same_columns_are(
    planner_service: PlannerService, lists: pa.DataType, texts: pa.DataType, tokens: pa.DataType
) -> None:
    kinds = {"id": texts, "input_tokens": tokens, "output_tokens": tokens, "llms": lists}
    typed = {name: pa.array(values, kinds.get(name)) for name, values in RICH.items()}
    status, expected, _ = call(planner_service, {"columns": RICH, **TERMS})
    assert status == 200, expected
    reply = reply_to(planner_service, stream(typed, TERMS))
    assert timeless(json_of(reply)) == timeless(expected)


def test_an_answer_as_a_stream_says_what_the_json_says(planner_service: PlannerService) -> None:
    _, expected, _ = call(planner_service, {"columns": RICH, **TERMS})
    reply = reply_to(planner_service, stream(RICH, TERMS), ARROW)
    assert (reply.status, reply.media_type) == (200, ARROW)
    table, rest = table_of(to_bytes(reply.body))
    assert table.to_pydict() == expected["columns"]
    del expected["columns"]
    assert timeless(rest) == timeless(expected)
    checked({**rest, "columns": table.to_pydict()}, PlanAnswer)


def test_predictions_as_a_stream_say_what_the_json_says(planner_service: PlannerService) -> None:
    fleet = {**a100_fleet(), "max_context_tokens": {"llama-2-7b-chat": 200}}
    status, expected, _ = call(planner_service, {"columns": RICH, "fleet": fleet}, "predict")
    assert status == 200
    assert None in expected["energy_joules"][0]
    reply = reply_to(planner_service, stream(RICH, {"fleet": fleet}), ARROW, "predict")
    table, rest = table_of(to_bytes(reply.body))
    assert {**table.to_pydict(), **rest} == expected


def test_quantiles_as_structs_are_planned_as_quantiles_are(planner_service: PlannerService) -> None:
    quantiles = {"p50": [50.0, 60.0, 70.0], "p90": [90.0, 99.5, 200.0]}
    structs = [{"p50": a, "p90": b} for a, b in zip(*quantiles.values(), strict=True)]
    given: Json = {"input_tokens": [9, 8, 7], "output_tokens": quantiles}
    terms = {"fleet": a100_fleet(), "constraints": {"deadline_seconds": 900.0, "confidence": 0.8}}
    status, expected, _ = call(planner_service, {"columns": given, **terms})
    assert status == 200, expected
    reply = reply_to(planner_service, stream({**given, "output_tokens": structs}, terms))
    assert timeless(json_of(reply)) == timeless(expected)


def test_a_stream_needs_no_terms_and_no_names(planner_service: PlannerService) -> None:
    tokens = {"input_tokens": np.arange(5), "output_tokens": np.arange(1, 6)}
    answer = json_of(reply_to(planner_service, stream(tokens)))
    assert answer["columns"]["id"] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_streams_of_many_batches_are_read_whole(
    planner_service: PlannerService, compression: str | None
) -> None:
    tokens = {"input_tokens": [9] * 50, "output_tokens": [7] * 50, "pools": [None, ["h100"]] * 25}
    body = stream(tokens, compression=compression, rows_of_a_batch=7)
    answer = json_of(reply_to(planner_service, body))
    assert len(answer["columns"]["id"]) == 50


def test_an_answer_of_many_batches_is_whole(planner_service: PlannerService) -> None:
    n = 70_000
    tokens = {"input_tokens": np.full(n, 9), "output_tokens": np.full(n, 7)}
    terms = {"solver": {"relative_gap": 1.0, "time_limit_seconds": 60}}
    reply = reply_to(planner_service, stream(tokens, terms), ARROW)
    table, _ = table_of(to_bytes(reply.body))
    assert table.num_rows == n
    assert table.column("id")[n - 1].as_py() == str(n - 1)


TWO = {"input_tokens": [1, 2], "output_tokens": [3, 4]}


def two(**changes: Any) -> bytes:
    return stream({**TWO, **changes})


BAD: dict[str, tuple[bytes, str]] = {
    "unknown column": (two(prioritaet=[1, 2]), "/columns/prioritaet"),
    "missing column": (stream({"input_tokens": [1]}), "/columns/output_tokens"),
    "negative tokens": (two(input_tokens=[1, -5]), "/columns/input_tokens/1"),
    "no output tokens": (two(output_tokens=[0, 1]), "/columns/output_tokens/0"),
    "huge tokens": (
        two(input_tokens=pa.array([1, 2**64 - 1], pa.uint64())),
        "/columns/input_tokens/1",
    ),
    "fractional tokens": (two(input_tokens=[1.0, 2.5]), "/columns/input_tokens/1"),
    "tokens as text": (two(output_tokens=["1", "2"]), "/columns/output_tokens"),
    "tokens as truths": (two(output_tokens=[True, True]), "/columns/output_tokens"),
    "odd quantiles": (
        two(output_tokens=[{"p50": 1.0, "best": 2.0}] * 2),
        "/columns/output_tokens",
    ),
    "a quantile of nothing": (
        two(output_tokens=[{"p50": 3.0, "p90": 5.0}, {"p50": 0.0, "p90": 5.0}]),
        "/columns/output_tokens/1/p50",
    ),
    "a null quantile": (
        two(output_tokens=[{"p50": 3.0, "p90": None}, {"p50": 1.0, "p90": 5.0}]),
        "/columns/output_tokens",
    ),
    "falling quantiles": (
        two(output_tokens=[{"p50": 3.0, "p90": 5.0}, {"p50": 7.0, "p90": 5.0}]),
        "/columns/output_tokens/p90/1",
    ),
    "null tokens": (two(input_tokens=[None, 2]), "/columns/input_tokens/0"),
    "only null tokens": (two(input_tokens=pa.nulls(2)), "/columns/input_tokens"),
    "null id": (two(id=["a", None]), "/columns/id/1"),
    "empty id": (two(id=["a", ""]), "/columns/id/1"),
    "long id": (two(id=["a", "ä" * 257]), "/columns/id/1"),
    "endless id": (two(id=["a", "b" * 100_000]), "/columns/id"),
    "endless id in a dictionary": (
        two(id=pa.array(["a", "b" * 100_000]).dictionary_encode()),
        "/columns/id",
    ),
    "repeated id": (two(id=["a", "a"]), "/columns/id/1"),
    "number as id": (two(id=[1, 2]), "/columns/id"),
    "quality above 1": (two(min_quality=[0.5, 1.5]), "/columns/min_quality/1"),
    "quality that is no number": (two(min_quality=[float("nan"), 0.5]), "/columns/min_quality/0"),
    "infinite deadline": (two(deadline_seconds=[1.0, float("inf")]), "/columns/deadline_seconds/1"),
    "deadline of zero": (two(deadline_seconds=[0, 1]), "/columns/deadline_seconds/0"),
    "a single LLM": (two(llms=["llama-2-7b-chat"] * 2), "/columns/llms"),
    "no LLM at all": (two(llms=[[], None]), "/columns/llms/0"),
    "null LLM": (
        two(llms=pa.array([None, ["llama-3.1-8b-instruct", None]], pa.list_(pa.string()))),
        "/columns/llms/1/1",
    ),
    "unknown LLM": (two(llms=[None, ["llama-3.1-8b-instruct", "gpt-nano"]]), "/columns/llms/1/1"),
    "LLM in capitals": (two(llms=[["GPT"], ["GPT"]]), "/columns/llms/1/0"),
    "257 LLMs": (two(llms=[["llama-3.1-8b-instruct"] * 257, None]), "/columns/llms/0"),
    "unknown pool": (two(pools=[["TPU"], None]), "/columns/pools/0/0"),
    "empty pin": (two(pinned=[{"llm": None}, {"llm": None}]), "/columns/pinned/0"),
    "unknown pin": (two(pinned=[{"llm": "gpt"}, None]), "/columns/pinned/0/llm"),
    "odd pin": (two(pinned=[None, {"rack": 7}]), "/columns/pinned/1/rack"),
    "pin of text": (two(pinned=["a100", None]), "/columns/pinned"),
    "no requests": (
        stream({name: pa.array([], pa.int64()) for name in TWO}),
        "/columns/input_tokens",
    ),
    "a column twice": (
        stream(pa.table([pa.array([1])] * 3, names=["input_tokens", "output_tokens", "id"])
               .rename_columns(["input_tokens", "output_tokens", "output_tokens"])),
        "/columns/output_tokens",
    ),
    "bad terms": (
        stream(TWO, {"constraints": {"deadline_seconds": -1}}),
        "/constraints/deadline_seconds",
    ),
    "unknown terms": (stream(TWO, {"urgent": True}), "/urgent"),
    "requests in the terms": (stream(TWO, {"requests": [{}]}), "/requests"),
    "columns in the terms": (stream(TWO, {"columns": columns()}), "/columns"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_stream_is_refused_with_a_pointer(planner_service: PlannerService, name: str) -> None:
    body, pointer = BAD[name]
    problem = json_of(reply_to(planner_service, body, ARROW))
    checked(problem, ProblemAnswer)
    assert (problem["status"], problem["type"]) == (422, "urn:jouleplan:problem:invalid-request")
    assert pointer in pointers(problem), problem


GOOD = stream(RICH, TERMS)
MALFORMED = {
    "empty": b"",
    "text": b"id,input_tokens\n" * 100,
    "JSON": b'{"columns": {}}',
    "cut in the schema": GOOD[:200],
    "cut in the rows": GOOD[:-200],
    "cut after the rows": GOOD[:-8],
    "more after the end": GOOD + b"\x00" * 8,
    "a file and not a stream": b"ARROW1\x00\x00" + GOOD,
    "a huge length": b"\xff\xff\xff\xff\xff\xff\xff\x7f" + GOOD[8:],
    "terms that are no JSON": stream(TWO, "{"),
    "terms that are a list": stream(TWO, "[]"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_stream_is_refused(planner_service: PlannerService, name: str) -> None:
    reply = reply_to(planner_service, MALFORMED[name])
    problem = json_of(reply)
    assert (reply.status, reply.outcome) == (422, "malformed-arrow"), problem
    assert "Traceback" not in str(problem)


def test_dictionary_indices_out_of_range_are_refused(planner_service: PlannerService) -> None:
    texts = pa.array(["aaaa", "bbbb"])
    wild = pa.DictionaryArray.from_arrays(pa.array([0, 9], pa.int8()), texts, safe=False)
    reply = reply_to(planner_service, two(id=wild))
    assert (reply.status, reply.outcome) == (422, "malformed-arrow")


def test_more_rows_than_may_be_are_too_many(planner_service: PlannerService) -> None:
    n = planner_service.limits.max_requests + 1
    ones = np.ones(n, dtype=np.int8)
    body = stream({"input_tokens": ones, "output_tokens": ones}, compression="zstd")
    reply = reply_to(planner_service, body)
    assert (reply.status, reply.outcome) == (413, "too-large")


@pytest.mark.parametrize("seed", range(8))
def test_a_stream_with_flipped_bytes_never_fails_the_worker(
    planner_service: PlannerService, seed: int
) -> None:
    chance = random.Random(seed)
    bodies = [stream(RICH, TERMS, compression=c) for c in (None, "lz4", "zstd")]
    for _ in range(40):
        body = bytearray(chance.choice(bodies))
        for _ in range(chance.randint(1, 3)):
            body[chance.randrange(len(body) - 8)] = chance.randrange(256)
        reply = reply_to(planner_service, bytes(body))
        assert reply.outcome not in {"internal", "malformed-json"}, bytes(body)
        assert reply.status in {200, 413, 422}
