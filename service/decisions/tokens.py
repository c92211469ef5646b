"""Tokens of a request that a gateway passes on as it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from service.batch_files.prompt_size import CHARACTERS_PER_TOKEN, LIMITS, PromptSize

DEFAULT_OUTPUT_TOKENS = 256
GIVEN, CHARACTERS, LEARNED, LIMIT, DEFAULT = "given", "characters", "learned", "limit", "default"


@dataclass(frozen=True)
class Tokens:
    """What a decision reckons with.

    Attributes
    ----------
    input_tokens, output_tokens
        Counts or estimates.
    input_from, output_from
        Where they come from.
    """

    input_tokens: float
    output_tokens: float
    input_from: str
    output_from: str


def input_tokens(request: Mapping[str, Any]) -> float:
    """Estimate the tokens of a prompt: four characters a token, as OpenAI's help has it."""
    size = PromptSize()
    for member in ("messages", "prompt", "instructions", "input"):
        size.add(request.get(member))
    return max(1.0, ceil(size.characters / CHARACTERS_PER_TOKEN) + size.tokens)


def output_limit(request: Mapping[str, Any]) -> float | None:
    """Return the limit that a request states of its answer, None where it states none."""
    for name in LIMITS:
        value = request.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return float(value)
    return None
