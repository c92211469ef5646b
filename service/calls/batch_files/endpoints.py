"""Which endpoints the lines of an OpenAI batch may be for."""

from __future__ import annotations

import re

CHAT = "/v1/chat/completions"
ENDPOINTS = (CHAT, "/v1/completions", "/v1/responses")
# As Azure has it: without a version, or behind the name of a deployment.
_URL = re.compile(
    r"(?:/openai)?(?:/deployments/[^/?]+)?(?:/v1)?/(?:chat/completions|completions|responses)"
    r"/?(?:\?.*)?"
)


def is_planned(url: str) -> bool:
    """Say whether lines of a url are planned.

    Examples
    --------
    >>> is_planned("/chat/completions"), is_planned("/v1/embeddings")
    (True, False)
    """
    return _URL.fullmatch(url) is not None


def other_endpoint(url: object) -> str:
    """Return why a line of another url is not planned."""
    got = "none" if url is None else f"{url!r:.60}"
    return f"Expected url {' or '.join(ENDPOINTS)}, got {got}."
