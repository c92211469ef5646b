"""The tokens that a decision reckons with: given, counted, learned or by a stated rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.decisions.lengths import OutputLengths
from service.decisions.rule import Wanted
from service.decisions.table import Terms
from service.decisions.tokenizers import Tokenizers
from service.decisions.tokens import bounded, input_tokens, output_limit
from service.prompts import Prompt, choices_of, prompt_of
from service.schemas.decisions import DecisionBody
from service.schemas.fields import MAX_CHOICES

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
    choices
        Answers that the request wants, each of `output_tokens`.
    uncounted
        Parts of the prompt that are no text, by kind: the input tokens hold none of them.
    """

    input_tokens: float
    output_tokens: float
    output_tokens_high: float
    input_from: str
    output_from: str
    choices: int = 1
    uncounted: Mapping[str, int] = field(default_factory=dict)


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
        tin, tin_from, prompt = float(body.input_tokens), GIVEN, Prompt()
    else:
        prompt = prompt_of(request)
        tin, tin_from = _input_tokens(prompt, llm, tokenizers)
    choices = body.choices or min(choices_of(request), MAX_CHOICES)
    if body.output_tokens is not None:
        tout = float(body.output_tokens)
        return Tokens(tin, tout, tout, tin_from, GIVEN, choices, prompt.uncounted)
    limit = output_limit(request)
    learned = lengths.of(llm, body.route)
    if learned is not None:
        tout, high = learned.mean(limit), learned.quantile(LATE_QUANTILE, limit)
        return Tokens(tin, tout, high, tin_from, LEARNED, choices, prompt.uncounted)
    tout, tout_from = (DEFAULT_OUTPUT_TOKENS, DEFAULT) if limit is None else (limit, LIMIT)
    return Tokens(tin, tout, tout, tin_from, tout_from, choices, prompt.uncounted)


def wanted_of(body: DecisionBody, tokens: Tokens) -> Wanted:
    """Return what a request asks of its placement: by a long answer it must end in time."""
    terms = Terms(tokens.input_tokens, tokens.output_tokens, tokens.choices)
    late = terms
    if tokens.output_tokens_high != tokens.output_tokens:
        late = Terms(tokens.input_tokens, tokens.output_tokens_high, tokens.choices)
    return Wanted(terms, late, body.deadline_seconds, body.min_quality)


def _input_tokens(prompt: Prompt, llm: str, tokenizers: Tokenizers) -> tuple[float, str]:
    if llm in tokenizers:
        counted = tokenizers.count(llm, "\n".join(prompt.texts))
        if counted is not None:
            return bounded(counted + prompt.tokens), TOKENIZER
    return input_tokens(prompt), CHARACTERS
