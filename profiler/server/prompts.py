"""Prompts of an exact length that no prefix cache has seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from random import Random

import httpx

from profiler.errors import ServerError
from profiler.server.completion import Completion, Prompt, complete
from profiler.server.endpoint import CHAT, Endpoint

LOWEST_ID = 300
"""Token id below which lie the control and byte tokens of most vocabularies."""
SAFE_VOCABULARY = 30_000
"""Nearly every published vocabulary is larger (Llama-2's has 32,000); tried where none is
reported."""
SMALLEST_VOCABULARY = 1_000
WORDS = tuple(
    (  # noqa: SIM905 (a list of a hundred lines)
        "time year people way day man thing woman life child world school state family "
        "student group country problem hand part place case week company system program "
        "question work number night point home water room mother area money story fact month "
        "lot right study book eye job word business issue side kind head house service "
        "friend father power hour game line end member law "
    ).split()
)
"""Common English words: one token each, with the blank before them, in most vocabularies."""

_SHORT, _LONG = 16, 144


@dataclass(frozen=True)
class PromptMaker:
    """Makes prompts of a length, each different from its first token on.

    Attributes
    ----------
    vocabulary
        Token ids are drawn below this; None to write text.
    per_word
        Tokens of a word of text, measured.
    extra
        Tokens that the server adds to each prompt (begin of text, a chat template), measured.
    """

    vocabulary: int | None
    per_word: float
    extra: float

    @property
    def shortest(self) -> int:
        """Fewest input tokens that a prompt can have."""
        return int(self.extra) + 1

    def prompt(self, input_tokens: int, random: Random) -> Prompt:
        """Make one prompt.

        Parameters
        ----------
        input_tokens
            As the server will count them; text meets it within a word or so.
        random
            Source of the words.
        """
        count = max(1, round((input_tokens - self.extra) / self.per_word))
        if self.vocabulary is None:
            return " ".join(random.choices(WORDS, k=count))
        return random.choices(range(min(LOWEST_ID, self.vocabulary // 2), self.vocabulary), k=count)


async def calibrated(
    client: httpx.AsyncClient, endpoint: Endpoint, random: Random
) -> tuple[Endpoint, PromptMaker]:
    """Find out how this server takes prompts, by asking it for single tokens.

    Token ids are tried first, then text, then chat. The lengths that it reports show what it adds.

    Parameters
    ----------
    client
        Its base URL is the server's.
    endpoint
        Endpoint as `find_endpoint` found it.
    random
        Source of the prompts.

    Returns
    -------
    tuple
        The endpoint with what was found, and the maker.

    Raises
    ------
    ServerError
        If it takes no prompt at all, with what it said last.
    """
    said: ServerError | None = None
    sizes: list[int | None] = _vocabularies(endpoint) if endpoint.takes_token_ids else []
    for path in (endpoint.path, CHAT):
        for vocabulary in [*sizes, None] if path == endpoint.path else [None]:
            tried = replace(endpoint, path=path, takes_token_ids=vocabulary is not None)
            try:
                return tried, await _measured(vocabulary, _asker(client, tried, random))
            except ServerError as error:
                said = error
    raise ServerError(f"Expected a server that takes prompts: {said}")


Ask = Callable[[PromptMaker, int], Awaitable[Completion]]


def _asker(client: httpx.AsyncClient, endpoint: Endpoint, random: Random) -> Ask:
    async def ask(maker: PromptMaker, input_tokens: int) -> Completion:
        return await complete(client, endpoint, maker.prompt(input_tokens, random), 1)

    return ask


def _vocabularies(endpoint: Endpoint) -> list[int | None]:
    if endpoint.vocabulary is not None:
        return [endpoint.vocabulary]
    sizes: list[int | None] = []
    size = SAFE_VOCABULARY
    while size >= SMALLEST_VOCABULARY:
        sizes.append(size)
        size //= 2
    return sizes


async def _measured(vocabulary: int | None, ask: Ask) -> PromptMaker:
    plain = PromptMaker(vocabulary, 1.0, 0.0)
    short = (await ask(plain, _SHORT)).input_tokens
    long = (await ask(plain, _LONG)).input_tokens
    per_word = (long - short) / (_LONG - _SHORT)
    if not per_word > 0:
        msg = f"Expected longer prompts to have more tokens, got {short} and then {long}."
        raise ServerError(msg)
    extra = short - per_word * _SHORT
    if vocabulary is not None and (per_word != 1.0 or extra < 0):
        raise ServerError(f"Expected the prompt's token ids to be kept, got {long} for {_LONG}.")
    return PromptMaker(vocabulary, per_word, max(0.0, extra))
