"""Bodies with one prompt, and what cannot be counted."""

from __future__ import annotations

from typing import Any

from service.calls.prompts.reader import Prompt, prompts_of


def prompt_of(body: dict[str, Any]) -> Prompt:
    """Return the only prompt of a body."""
    (found,) = prompts_of(body)
    return found
