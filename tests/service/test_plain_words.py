"""Whatever is wrong with a call, the answer speaks of it in plain words, never in a library's."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.service.answers import check_plain_words
from tests.service.bodies import a100_fleet, rows
from tests.service.server import ROOT, Server

BAD_VALUES: tuple[Any, ...] = (
    None, True, -1, 1.5, 0, 10**400, "x", "", "a b\n\u202e", [], [None], {}, {"x": 1}, ["a", "a"],
)  # fmt: skip
RAW = {"NaN": b"NaN", "1e999": b"1e999", "lone surrogate": b'"\\ud800"', "unquoted": b"x"}
MARK = "a value that is put here"
SAME_MEMBERS = {
    ("post", "/plan/frontier"): ("post", "/plan"),
    ("post", "/predict"): ("post", "/plan"),
}
"""Routes that share members of their body with another, by one schema: a value each will do."""
LLM = "llama-2-7b-chat"
FULL = {
    ("post", "/plan"): {"requests": rows(), "fleet": a100_fleet()},
    ("post", "/predict"): {"requests": rows(), "fleet": a100_fleet()},
    ("post", "/plan/frontier"): {
        "requests": rows(),
        "fleet": a100_fleet(),
        "frontier": {"axes": ["energy", "makespan"], "points": 2},
    },
    ("post", "/decision"): {"input_tokens": 8, "output_tokens": 5},
    ("post", "/destination"): {"model": "llama-3.1-8b-instruct", "prompt": "why"},
    ("put", "/policy"): {"weights": {}},
    ("post", "/actuals"): {"actuals": [{}]},
}

REQUEST: tuple[Any, ...] = (
    *({name: MARK} for name in ("model", "prompt", "messages", "input", "instructions", "system")),
    *({name: MARK} for name in ("max_tokens", "max_completion_tokens", "n", "tools", "stream")),
    {"messages": [MARK]},
    {"messages": [{"role": MARK, "content": "why"}]},
    {"messages": [{"role": "user", "content": MARK}]},
    {"messages": [{"role": "user", "content": [MARK]}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": MARK}]}]},
    {"messages": [{"role": "assistant", "tool_calls": MARK}]},
    {"tools": [{"type": "function", "function": MARK}]},
    {"response_format": {"type": "json_schema", "json_schema": MARK}},
)
"""Places of a request to an LLM, whose schema is its server's."""
MORE: Mapping[tuple[str, str], tuple[Any, ...]] = {
    ("post", "/destination"): REQUEST,
    ("post", "/decision"): tuple({"request": {"model": LLM} | one} for one in REQUEST),
}


def places(schema: Mapping[str, Any], known: Mapping[str, Any], depth: int = 7) -> Iterator[Any]:
    """Give a document for each place that a schema has, with `MARK` at that place."""
    yield MARK
    reference = schema.get("$ref", "").rpartition("/")[2]
    if reference:
        schema = known[reference]
    if depth == 0:
        return
    for one in itertools.chain(*(schema.get(key, ()) for key in ("anyOf", "oneOf", "allOf"))):
        yield from itertools.islice(places(one, known, depth - 1), 1, None)
    for name, one in schema.get("properties", {}).items():
        yield from ({name: document} for document in places(one, known, depth - 1))
    if isinstance(schema.get("items"), Mapping):
        yield from ([document] for document in places(schema["items"], known, depth - 1))
    if isinstance(schema.get("additionalProperties"), Mapping):
        inner = places(schema["additionalProperties"], known, depth - 1)
        yield from ({LLM: document} for document in inner)


def merged(whole: Any, part: Any) -> Any:
    """Put what is in `part` into a whole document."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return whole | {name: merged(whole.get(name), value) for name, value in part.items()}
    if isinstance(whole, list) and isinstance(part, list) and whole:
        return [merged(whole[0], part[0]), *whole[1:]]
    return part


@pytest.fixture(scope="module")
def document(server: Server) -> Any:
    return server.client.get("/openapi.json").json()


def documents_of(document: Any, route: tuple[str, str]) -> dict[str, Any]:
    """Return a document for each place of the body of a route, by its text."""
    method, path = route
    body = document["paths"][path][method]["requestBody"]["content"]["application/json"]
    known = document["components"]["schemas"]
    found = (*places(body["schema"], known), *MORE.get(route, ()))
    return {json.dumps(one): one for one in found}


@pytest.mark.parametrize("route", FULL, ids=" ".join)
def test_whatever_stands_in_a_body_is_refused_in_plain_words(
    server: Server, document: Any, route: tuple[str, str]
) -> None:
    method, path = route
    documents = documents_of(document, route)
    assert len(documents) >= 5
    elsewhere = documents_of(document, SAME_MEMBERS[route]) if route in SAME_MEMBERS else {}
    headers = {"content-type": "application/json"}
    for number, (name, one) in enumerate(documents.items()):
        whole = json.dumps(merged(FULL[route], one)).encode()
        values = [json.dumps(value).encode() for value in BAD_VALUES] + list(RAW.values())
        for value in values[number % len(values) :][:1] if name in elsewhere else values:
            content = whole.replace(json.dumps(MARK).encode(), value)
            check_plain_words(
                server.client.request(method, path, content=content, headers=headers), content[:500]
            )


def test_whatever_stands_in_a_query_is_refused_in_plain_words(
    server: Server, document: Any
) -> None:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/completions"}
    line["body"] = {"model": "llama-3.1-8b-instruct", "prompt": "why", "max_tokens": 5}
    jsonl = json.dumps(line).encode()
    tried = 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", ()):
                for value in ("", "x", "-1", "1.5", "nan", "1e999", "9" * 400, "a,b", "\u202e"):
                    name, place = parameter["name"], parameter["in"]
                    if place == "path":
                        continue
                    query = {name: value} if place == "query" else {}
                    asked = {name: value} if place == "header" and value.isascii() else {}
                    is_batch = method == "post" and path == "/plan"
                    announced = "application/jsonl" if is_batch else "application/json"
                    response = server.client.request(
                        method,
                        re.sub(r"{\w+}", "x", path),
                        params=query,
                        headers={"content-type": announced} | asked,
                        content=jsonl if is_batch else None,
                    )
                    check_plain_words(response, (method, path, name, value))
                    tried += 1
    assert tried > 200


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"{",
        b'{"custom_id": 1}',
        b'{"custom_id": "a", "method": "GET", "url": "/x", "body": {}}',
        b'{"custom_id": "a", "method": "POST", "url": 1, "body": {}}',
        b'{"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": []}',
        *(
            json.dumps(
                {
                    "custom_id": "a",
                    "method": "POST",
                    "url": "/v1/chat/completions",
                    "body": {"model": "llama-3.1-8b-instruct", "max_tokens": 5} | one,
                }
            ).encode()
            for one in REQUEST
        ),
    ],
)
def test_whatever_stands_in_a_line_of_a_batch_is_refused_in_plain_words(
    server: Server, line: bytes
) -> None:
    headers = {"content-type": "application/jsonl"}
    for value in BAD_VALUES:
        content = line.replace(json.dumps(MARK).encode(), json.dumps(value).encode())
        check_plain_words(server.client.post("/plan", content=content, headers=headers), content)


def test_no_message_is_made_of_the_name_of_a_type() -> None:
    packages = [ROOT / name for name in ("costmodel", "profiler", "service")]
    sources = [path for package in packages for path in package.rglob("*.py")]
    assert len(sources) > 300
    named = [path for path in sources if re.search(r"type\([^()]*\)\.__name__", path.read_text())]
    assert named == [], "say what it is by costmodel.kinds.kind_of"
    patterns = [path for path in sources if re.search(r"\bpattern=", path.read_text())]
    assert patterns == [], "pydantic tells the regular expression: check by a function with words"
