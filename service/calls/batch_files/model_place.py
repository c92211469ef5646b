"""Where in a line of an OpenAI batch the name of its LLM stands, to the byte.

A line is edited, never written anew: white space, order and spelling of all else stay as they came.

::

    RepeatedKeyError    a member that is read stands twice, so that readers may differ about it
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

import orjson

READ_ONCE = (b"custom_id", b"method", b"url", b"body")

# Possessive: a string of megabytes is matched without a stack of where to turn back to.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_STRING + rb"|[{}\[\]]", re.DOTALL)
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_TEXT = re.compile(_STRING, re.DOTALL)
_PLAIN_MODEL = re.compile(rb'(?<!\\)"model"[ \t]*:[ \t]*("[^"\\]*+")')
_PLAIN_KEYS = tuple(b'"%b"' % name for name in (*READ_ONCE, b"model"))
# Small letters and the underscore as escapes: all that could spell one of the names otherwise.
_ESCAPED_LETTER = re.compile(rb"\\u00[5-7]")
_FIRST = re.compile(rb"[ \t\r\n]*(.)", re.DOTALL)


class RepeatedKeyError(ValueError):
    """Raised where a member that is read stands twice."""


class ModelValueKind(IntEnum):
    """The kinds of values that stand where the name belongs."""

    TEXT = 0
    NULL = 1
    NOTHING = 2
    EMPTY_BODY = 3


class ModelPlace(NamedTuple):
    """Bytes of a line that the name takes the place of; none where there is no name."""

    start: int
    end: int
    kind: ModelValueKind


def place_of_model(line: bytes, *, named: bool) -> ModelPlace:
    r"""Return where the value of `model` in `body` stands, or would.

    `line` is a valid JSON object whose `body` is an object with text, null or nothing as
    `model`; `named` says whether that is text. A RepeatedKeyError is raised where `custom_id`,
    `method`, `url`, `body`, or `model` in the body, stand twice.

    Examples
    --------
    >>> line = b'{"custom_id":"a","body":{"messages":["\\"model\\": 1"],"mod\\u0065l": "x"}}'
    >>> place = place_of_model(line, named=True)
    >>> line[place.start : place.end]
    b'"x"'
    """
    return (plain_place(line) if named else None) or walked_place(line)


def written(name: str, kind: ModelValueKind) -> bytes:
    """Return what takes the place of the name that stands there, or would.

    Examples
    --------
    >>> written("a", ModelValueKind.TEXT), written("a", ModelValueKind.NOTHING)
    (b'"a"', b'"model":"a",')
    """
    text = orjson.dumps(name)
    if kind is ModelValueKind.NOTHING:
        return b'"model":%b,' % text
    return b'"model":%b' % text if kind is ModelValueKind.EMPTY_BODY else text


def plain_place(line: bytes) -> ModelPlace | None:
    """Return the place in the usual line, where no key can be mistaken for another; else None.

    There each key is spelled once in the whole line, and none can be spelled in escapes.
    """
    if _ESCAPED_LETTER.search(line) or any(line.count(key) != 1 for key in _PLAIN_KEYS):
        return None
    found = _PLAIN_MODEL.search(line)
    return None if found is None else ModelPlace(found.start(1), found.end(1), ModelValueKind.TEXT)


def walked_place(line: bytes) -> ModelPlace:
    """Return the place in any line, by its tokens; RepeatedKeyError where a key stands twice."""
    depth, in_body = 0, False
    body_at: int | None = None
    place: ModelPlace | None = None
    seen: set[bytes] = set()
    for token in _TOKEN.finditer(line):
        first = line[token.start()]
        if first in b"{[":
            depth += 1
            if depth == 2 and in_body:
                body_at = token.end()
        elif first in b"}]":
            depth -= 1
            in_body = in_body and depth > 1
        elif depth == 1 or (depth == 2 and in_body):
            colon = _COLON.match(line, token.end())
            if colon is None:
                continue
            key = _key(token.group())
            if depth == 1:
                in_body = key == b"body"
                if key in READ_ONCE:
                    _need_once(key, seen)
            elif key == b"model":
                _need_once(b"body.model", seen)
                place = _value_place(line, colon.end())
    if place is not None:
        return place
    if body_at is None:
        raise ValueError("Expected a body.")
    following = _FIRST.match(line, body_at)
    empty = following is not None and following.group(1) == b"}"
    return ModelPlace(
        body_at, body_at, ModelValueKind.EMPTY_BODY if empty else ModelValueKind.NOTHING
    )


def _key(token: bytes) -> bytes:
    if b"\\" not in token:
        return token[1:-1]
    text: str = orjson.loads(token)
    return text.encode()


def _need_once(name: bytes, seen: set[bytes]) -> None:
    if name in seen:
        raise RepeatedKeyError(f"Expected {name.decode()} once.")
    seen.add(name)


def _value_place(line: bytes, start: int) -> ModelPlace:
    text = _TEXT.match(line, start)
    if text is not None:
        return ModelPlace(start, text.end(), ModelValueKind.TEXT)
    return ModelPlace(start, start + len(b"null"), ModelValueKind.NULL)
