"""Answers, held against the types that they are declared with."""

from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

Declared = TypeVar("Declared")


@cache
def _adapter(kind: type[Declared]) -> TypeAdapter[Declared]:
    return TypeAdapter(kind)


def checked(answer: Any, kind: type[Declared]) -> Declared:
    """Return an answer that is as its type declares it: each member, bound and null."""
    return _adapter(kind).validate_python(answer)
