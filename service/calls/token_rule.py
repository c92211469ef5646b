"""How the lines of an OpenAI batch are read: how lengths are estimated, and which LLMs may serve.

Light, because what speaks HTTP reads the rule and not the lines.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.calls.prompts.members import CHARACTERS_PER_TOKEN
from service.wording import COMMAND, Spelling


@dataclass(frozen=True)
class TokenRule:
    """How tokens are estimated, and which LLMs may serve a line.

    Attributes
    ----------
    characters_per_token
        Of the prompt, above 0.
    output_tokens
        Where a line states no limit; None: such a line is refused.
    llms
        Those that may serve any line; empty for any LLM; None: the one that the line names, and
        any where it names none.
    reports_others
        Whether lines of other endpoints are set aside, to be reported, instead of being refused.
    spelling
        How one who asks states these.
    """

    characters_per_token: float = CHARACTERS_PER_TOKEN
    output_tokens: int | None = None
    llms: tuple[str, ...] | None = None
    reports_others: bool = False
    spelling: Spelling = COMMAND
