"""Tokens of a request that a gateway passes on as it came."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from service.calls.prompts.members import CHARACTERS_PER_TOKEN
from service.calls.prompts.reader import Prompt
from service.calls.prompts.stated import stated_limit
from service.calls.schemas.fields import MAX_TOKENS


def input_tokens(prompt: Prompt) -> float:
    """Estimate the tokens of a prompt: four characters a token, as OpenAI's help has it.

    At least 1, at most `MAX_TOKENS`.

    Examples
    --------
    >>> prompt = Prompt()
    >>> prompt.add(["abcd", "e", [17, 4, 4]])
    >>> input_tokens(prompt)
    5.0
    """
    return bounded(ceil(prompt.characters / CHARACTERS_PER_TOKEN) + prompt.tokens)


def output_limit(request: Mapping[str, Any]) -> float | None:
    """Return the limit that a request states of its answer, None where it states none.

    At least 1, at most `MAX_TOKENS`, whatever clients state.

    Examples
    --------
    >>> output_limit({"max_tokens": 50}), output_limit({"max_tokens": 10**400})
    (50.0, 10000000.0)
    >>> output_limit({"max_tokens": -1}), output_limit({"max_tokens": 0, "echo": True})
    (None, 1.0)
    """
    limit = stated_limit(request)
    return None if limit is None else bounded(limit)


def bounded(tokens: float) -> float:
    """Return a count or estimate of tokens as calls may state one: 1 to `MAX_TOKENS`."""
    # Cut before it is a float: an integer of 400 digits is none.
    return float(min(max(tokens, 1), MAX_TOKENS))
