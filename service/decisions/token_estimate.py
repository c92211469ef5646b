"""The tokens that a decision goes by: given, counted, learned or by a stated rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

from costmodel.one_request import Prompts, Terms
from service.calls.prompts.members import CHARACTERS_PER_TOKEN
from service.calls.prompts.reader import Prompt, prompts_of
from service.calls.prompts.stated import choices_of, stated_limit
from service.calls.schemas.actuals import ActualBody
from service.calls.schemas.decisions import DecisionBody
from service.calls.schemas.fields import MAX_TOKENS
from service.decisions.learned_lengths import LearnedLengths
from service.decisions.rule import Requirements
from service.decisions.tokenizers import Tokenizers

DEFAULT_OUTPUT_TOKENS = 256.0
LATE_QUANTILE = 0.9
"""Share of the answers that are no longer than the one by which lateness is judged."""
GIVEN, TOKENIZER, CHARACTERS = "given", "tokenizer", "characters"
LEARNED, LIMIT, DEFAULT = "learned", "limit", "default"


@dataclass(frozen=True)
class TokenEstimate:
    """The tokens that a decision goes by.

    Attributes
    ----------
    prompts, output_tokens
        Counts or estimates of each prompt, and of each answer.
    output_tokens_high
        Estimate of a long answer: nine of ten are shorter where lengths were learned.
    input_from, output_from
        Kind of the estimates.
    choices
        Answers that the request wants of each prompt, each of `output_tokens`.
    uncounted
        Parts of the prompt that are no text, by kind: the input tokens hold none of them.
    empty
        Whether the body has nothing that counts as a prompt.
    """

    prompts: Prompts
    output_tokens: float
    output_tokens_high: float
    input_from: str
    output_from: str
    choices: int = 1
    uncounted: Mapping[str, int] = field(default_factory=dict)
    empty: bool = False


class OpenDecision(NamedTuple):
    """What is remembered of a decision until its actual comes, and no more: there may be many.

    Its prompts and choices are remembered because an actual has the sums of their tokens alone.
    """

    pool: str
    concurrency: int
    prompts: Prompts
    choices: int = 1


def estimate_tokens(
    body: DecisionBody, llm: str, lengths: LearnedLengths, tokenizers: Tokenizers
) -> TokenEstimate:
    """Return the tokens of a request.

    It is counted by the tokenizer of an LLM, and answered as its learned lengths have it.
    """
    request = body.request or {}
    uncounted: Mapping[str, int] = {}
    empty = False
    if body.input_tokens is not None:
        prompts, tin_from = stated_prompts(body.input_tokens), GIVEN
    else:
        found = prompts_of(request)
        prompts, tin_from = _counted(found, llm, tokenizers)
        uncounted = found[0].uncounted
        empty = not any(one.texts or one.tokens for one in found)
    choices = body.choices or int(bounded(choices_of(request)))

    def tokens(output_tokens: float, high: float, output_from: str) -> TokenEstimate:
        return TokenEstimate(
            prompts, output_tokens, high, tin_from, output_from, choices, uncounted, empty
        )

    if body.output_tokens is not None:
        return tokens(float(body.output_tokens), float(body.output_tokens), GIVEN)
    limit = output_limit(request)
    learned = lengths.of(llm, body.route)
    if learned is not None:
        return tokens(learned.mean(limit), learned.quantile(LATE_QUANTILE, limit), LEARNED)
    stated, stated_by = (DEFAULT_OUTPUT_TOKENS, DEFAULT) if limit is None else (limit, LIMIT)
    return tokens(stated, stated, stated_by)


def stated_prompts(input_tokens: float | Sequence[float]) -> Prompts:
    """Return prompts as callers state their tokens: of one, or of each."""
    if isinstance(input_tokens, Sequence):
        return Prompts.of(*map(float, input_tokens))
    return Prompts.of(float(input_tokens))


def requirements_of(body: DecisionBody, tokens: TokenEstimate) -> Requirements:
    """Return what a request asks of its placement: by a long answer it must end in time."""
    terms = Terms(tokens.prompts, tokens.output_tokens, tokens.choices)
    late = terms
    if tokens.output_tokens_high != tokens.output_tokens:
        late = Terms(tokens.prompts, tokens.output_tokens_high, tokens.choices)
    return Requirements(terms, late, body.deadline_seconds, body.min_quality)


def terms_of_actual(body: ActualBody, decided: OpenDecision | None) -> tuple[Terms | None, int]:
    """Return the tokens of a request as they came, None where not all are known, and its answers.

    What an actual leaves out of prompts and choices is as the decision had it, or one without it.
    """
    decided_prompts = Prompts.of(0.0) if decided is None else decided.prompts
    count = body.prompts or decided_prompts.size
    choices = body.choices or (1 if decided is None else decided.choices)
    if body.input_tokens is None or body.output_tokens is None:
        return None, count * choices
    prompts = Prompts.alike(count, body.input_tokens)
    if count == decided_prompts.size:
        prompts = decided_prompts.scaled(body.input_tokens)
    return Terms(prompts, body.output_tokens / (count * choices), choices), count * choices


def _counted(found: Sequence[Prompt], llm: str, tokenizers: Tokenizers) -> tuple[Prompts, str]:
    texts = (text for prompt in found for text in prompt.texts)
    counted = tokenizers.count(llm, texts) if llm in tokenizers else None
    if counted is None:
        return Prompts.of(*map(input_tokens, found)), CHARACTERS
    tokens, of_characters = counted
    return Prompts.of(
        *(bounded(tokens * one.characters / of_characters + one.tokens) for one in found)
    ), TOKENIZER


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
