"""How long a prompt is, as far as its text tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CHARACTERS_PER_TOKEN = 4.0
"""What OpenAI's help centre gives for English: one token is about four characters."""
LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""Members of a body that limit its answer, the newest first."""


@dataclass
class PromptSize:
    """What was counted of prompts: characters of text, given tokens, and parts that are neither.

    Examples
    --------
    >>> size = PromptSize()
    >>> size.add([{"role": "user", "content": [{"type": "text", "text": "abc"}, {"type": "file"}]}])
    >>> size.add([[17, 4]])
    >>> size
    PromptSize(characters=3, tokens=2, other=1)
    """

    characters: int = 0
    tokens: int = 0
    other: int = 0

    def add(self, node: object) -> None:
        """Count a prompt, a list of messages, or a part of either."""
        if isinstance(node, str):
            self.characters += len(node)
        elif isinstance(node, dict):
            self._add_part(node)
        elif isinstance(node, list):
            for part in node:
                self.add(part)
        elif isinstance(node, int):
            self.tokens += 1
        elif node is not None:
            self.other += 1

    def _add_part(self, part: Mapping[str, Any]) -> None:
        if "content" in part:
            self.add(part["content"])
        elif isinstance(part.get("text"), str):
            self.add(part["text"])
        else:
            self.other += 1
