"""What a body states of its answers: how long each may be, and how many are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from service.calls.prompts.members import COUNTS, LIMITS, merged


def is_whole(value: object) -> TypeGuard[float]:
    """Say whether a member of a body is a whole number, as an integer or as a float.

    Examples
    --------
    >>> [is_whole(value) for value in (2, 2.0, 2.5, True, "2")]
    [True, True, False, False, False]
    """
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def stated_limit(body: Mapping[str, Any]) -> int | None:
    """Return the limit that a body states of its answer, None where it states none.

    Zero and less are no limit: llama.cpp and its bindings generate without one then. But where a
    prompt is echoed, for its log probabilities, `max_tokens` of zero generates nothing.

    Examples
    --------
    >>> stated_limit({"max_completion_tokens": -1, "max_tokens": 50.0})
    50
    >>> stated_limit({"max_tokens": 0}), stated_limit({"max_tokens": 0, "echo": True})
    (None, 0)
    """
    body = merged(body)
    for name in LIMITS:
        value = body.get(name)
        minimum = 0 if name == "max_tokens" and body.get("echo") is True else 1
        if is_whole(value) and value >= minimum:
            return int(value)
    return None


def choices_of(body: Mapping[str, Any]) -> int:
    """Return how many answers a body wants of each prompt: the largest of `COUNTS`.

    Examples
    --------
    >>> choices_of({"n": 2.0}), choices_of({"prompt": ["a", "b"], "n": 2, "best_of": 3})
    (2, 3)
    """
    given = map(merged(body).get, COUNTS)
    return max([1, *(int(one) for one in given if is_whole(one))])
