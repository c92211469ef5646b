"""Answers, held against the types that they are declared with and the words they may have."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter

from service.calls.planner_service import PlannerService
from service.calls.schemas.answers import PlanAnswer
from tests.plain_words import foreign_words
from tests.service.bodies import Json, call

Declared = TypeVar("Declared")


@cache
def _adapter(kind: type[Declared]) -> TypeAdapter[Declared]:
    return TypeAdapter(kind)


def checked(answer: Any, kind: type[Declared]) -> Declared:
    """Return an answer that is as its type declares it: each member, bound and null."""
    return _adapter(kind).validate_python(answer)


def plan(service: PlannerService, **body: Any) -> Json:
    status, answer, _ = call(service, body)
    assert status == 200, answer
    checked(answer, PlanAnswer)
    return answer


def codes(answer: Json) -> set[str]:
    return {warning["code"] for warning in answer["warnings"]}


def words_in(found: Any) -> Iterator[str]:
    """Give every text of an answer that is meant to be read."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, Mapping):
        for name, value in found.items():
            if name not in {"pointer", "type", "instance", "request_id"}:
                yield from words_in(value)
    elif isinstance(found, list):
        for value in found:
            yield from words_in(value)


def check_plain_words(response: httpx.Response, what: object) -> None:
    """Refuse an answer that is a fault of the service, or speaks in other words than its own."""
    assert response.status_code < 500 or response.status_code == 503, (what, response.text)
    assert response.status_code < 400 or response.content, what
    if response.status_code >= 400:
        for words in words_in(response.json()):
            assert foreign_words(words) is None, (what, words)
