"""The tokens that a decision reckons with: given, counted, learned or by a stated rule."""

from __future__ import annotations

from dataclasses import dataclass

from service.decisions.lengths import OutputLengths
from service.decisions.tokenizers import Tokenizers
from service.decisions.tokens import bounded, input_tokens, output_limit, prompt_text
from service.schemas.decisions import DecisionBody

DEFAULT_OUTPUT_TOKENS = 256.0
LATE_QUANTILE = 0.9
"""Of learned lengths: whether a request ends in time is judged by a long answer."""
GIVEN, TOKENIZER, CHARACTERS = "given", "tokenizer", "characters"
LEARNED, LIMIT, DEFAULT = "learned", "limit", "default"


@dataclass(frozen=True)
class Tokens:
    """What a decision reckons with.

    Attributes
    ----------
    input_tokens, output_tokens
        Counts or estimates.
    output_tokens_high
        Of a long answer: nine of ten are shorter where lengths were learned.
    input_from, output_from
        Where they come from.
    """

    input_tokens: float
    output_tokens: float
    output_tokens_high: float
    input_from: str
    output_from: str


def reckon(body: DecisionBody, llm: str, lengths: OutputLengths, tokenizers: Tokenizers) -> Tokens:
    """Return the tokens of a request.

    Parameters
    ----------
    body
        The request.
    llm
        Whose tokenizer counts, and whose answers' lengths were learned.
    lengths, tokenizers
        What is known.
    """
    request = body.request or {}
    if body.input_tokens is not None:
        tin, tin_from = float(body.input_tokens), GIVEN
    else:
        counted = tokenizers.count(llm, prompt_text(request)) if llm in tokenizers else None
        if counted is None:
            tin, tin_from = input_tokens(request), CHARACTERS
        else:
            tin, tin_from = bounded(counted), TOKENIZER
    if body.output_tokens is not None:
        tout = float(body.output_tokens)
        return Tokens(tin, tout, tout, tin_from, GIVEN)
    limit = output_limit(request)
    learned = lengths.of(llm, body.route)
    if learned is not None:
        high = learned.quantile(LATE_QUANTILE, limit)
        return Tokens(tin, learned.mean(limit), high, tin_from, LEARNED)
    if limit is not None:
        return Tokens(tin, limit, limit, tin_from, LIMIT)
    return Tokens(tin, DEFAULT_OUTPUT_TOKENS, DEFAULT_OUTPUT_TOKENS, tin_from, DEFAULT)
