"""What every server refuses of a request's body, refused here as well and by the same members.

A gateway goes on without a decision where its request is refused, so nothing is refused that a
server would take, but for more answers than any plan may hold: null is the default, a whole float
an integer, and what is not looked at here is as it is. Refusals are logged, so that they hold no
texts of prompts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from service.calls.prompts.members import COUNTS, LIMITS, LISTS, merged
from service.calls.prompts.stated import is_whole
from service.calls.schemas.fields import MAX_CHOICES
from service.problems import MAX_FIELD_ERRORS, FieldError, invalid, pointer
from service.wording import shown_value

# Tuples: unions are made anew, and looked into more slowly, by each of many calls.
_NUMBER, _TEXT = (int, float), (str, type(None))


class InvalidMember(NamedTuple):
    """A member of a body that no server takes: its path, what servers take there, and what came."""

    path: tuple[str | int, ...]
    expected: str
    value: object

    @property
    def detail(self) -> str:
        """What was expected and what came, in a sentence."""
        hidden = self.path[0] == "messages" and isinstance(self.value, str)
        return f"Expected {self.expected}, got {'text' if hidden else shown_value(self.value)}."


def invalid_members(body: Mapping[str, Any]) -> Iterator[InvalidMember]:
    """Yield the members of a body that no server takes.

    Examples
    --------
    >>> list(invalid_members({"n": 2.0, "max_tokens": None, "messages": []}))
    []
    >>> [one.detail for one in invalid_members({"n": "5"})]
    ["Expected a whole number from 1 to 1024, got '5'."]
    """
    body = merged(body)
    if not isinstance(body.get("model"), _TEXT):
        yield InvalidMember(("model",), "text", body["model"])
    for name in LIMITS:
        value = body.get(name)
        # Zero and less pass: to some servers they are no limit.
        if not (value is None or is_whole(value)):
            yield InvalidMember((name,), "a whole number", value)
    for name in COUNTS:
        value = body.get(name)
        if not (value is None or (is_whole(value) and 1 <= value <= MAX_CHOICES)):
            yield InvalidMember((name,), f"a whole number from 1 to {MAX_CHOICES}", value)
    for name in LISTS:
        if isinstance(body.get(name), _NUMBER):
            yield InvalidMember((name,), "text or a list", body[name])
    yield from _wrong_messages(body.get("messages"))


def check_body(body: Mapping[str, Any], *below: str) -> None:
    """Refuse with 422 a body that no server takes, by the pointer of each member.

    `below` is where the body stands in what the caller sent.
    """
    wrong = invalid_members(body)
    first = list(islice(wrong, MAX_FIELD_ERRORS))
    if first:
        errors = [FieldError(pointer(*below, *one.path), one.detail) for one in first]
        raise invalid(errors, omitted=sum(1 for _ in wrong))


def _wrong_messages(messages: object) -> Iterator[InvalidMember]:
    if messages is None:
        return
    if not isinstance(messages, list):
        yield InvalidMember(("messages",), "a list of messages", messages)
        return
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            yield InvalidMember(("messages", index), "a message, an object", message)
        elif isinstance(message.get("content"), _NUMBER):
            where = ("messages", index, "content")
            yield InvalidMember(where, "text or a list of parts", message["content"])
