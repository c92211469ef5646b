"""Tokens of a request that a gateway passes on as it came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from service.batch_files.prompt_size import CHARACTERS_PER_TOKEN, LIMITS, PromptSize
from service.schemas.fields import MAX_TOKENS

PROMPTS = ("messages", "prompt", "instructions", "input")


def input_tokens(request: Mapping[str, Any]) -> float:
    """Estimate the tokens of a prompt: four characters a token, as OpenAI's help has it.

    At least 1, at most `MAX_TOKENS`.
    """
    size = PromptSize()
    for member in PROMPTS:
        size.add(request.get(member))
    return bounded(ceil(size.characters / CHARACTERS_PER_TOKEN) + size.tokens)


def prompt_text(request: Mapping[str, Any]) -> str:
    r"""Return the text of a prompt, its parts joined by line ends.

    Examples
    --------
    >>> prompt_text({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]})
    'user\nHi'
    """
    return "\n".join(part for member in PROMPTS for part in _texts(request.get(member)))


def output_limit(request: Mapping[str, Any]) -> float | None:
    """Return the limit that a request states of its answer, None where it states none.

    A whole number of at least 1; clients state any, and beyond `MAX_TOKENS` it is that.

    Examples
    --------
    >>> output_limit({"max_tokens": 50}), output_limit({"max_tokens": 10**400})
    (50.0, 10000000.0)
    >>> output_limit({"max_completion_tokens": -1}), output_limit({"max_tokens": True})
    (None, None)
    """
    for name in LIMITS:
        value = request.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return bounded(value)
    return None


def bounded(tokens: float) -> float:
    """Return a count or estimate of tokens as calls may state one: 1 to `MAX_TOKENS`."""
    # Cut before it is a float: an integer of 400 digits is none.
    return float(min(max(tokens, 1), MAX_TOKENS))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for name in ("role", "content", "text"):
            yield from _texts(value.get(name))
