"""Answers, held against the types that they are declared with."""

from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

from service.calls.planner_service import PlannerService
from service.calls.schemas.answers import PlanAnswer
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
