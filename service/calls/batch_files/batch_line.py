"""What one line of an OpenAI batch says.

::

    LineError    the line is not as expected; it knows which member
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import orjson

from costmodel.kinds import kind_of
from costmodel.nearest import listed, shown
from service.calls.batch_files.model_place import ModelPlace, RepeatedKeyError, place_of_model
from service.calls.prompts.members import LIMITS
from service.calls.prompts.reader import prompts_of
from service.calls.prompts.stated import choices_of, stated_limit
from service.calls.request_body import invalid_members
from service.calls.schemas.batch_query import TokenRule
from service.calls.schemas.names import read_llm

CHAT = "/v1/chat/completions"
ENDPOINTS = (CHAT, "/v1/completions", "/v1/responses")
# As Azure has it: without a version, or behind the name of a deployment.
_URL = re.compile(
    r"(?:/openai)?(?:/deployments/[^/?]+)?(?:/v1)?/(?:chat/completions|completions|responses)"
    r"/?(?:\?.*)?"
)
_AS_BODY = "as body, with method POST and url /v1/chat/completions"
_FORMATS = {
    "params": f"Message batches of Anthropic are not read: write params {_AS_BODY}.",
    "modelInput": f"Batches of Bedrock are not read: write what modelInput asks {_AS_BODY}.",
    "request": f"Batches of Gemini and Vertex are not read: write what request asks {_AS_BODY}.",
    "response": "That is what a batch answered: plan the file that it was asked.",
    "conversations": f"Conversations of ShareGPT are not read: write them as messages {_AS_BODY}.",
    "messages": f"Bodies alone are not read: write each {_AS_BODY}.",
    "prompt": f"Bodies alone are not read: write each {_AS_BODY}.",
}
"""What lines are by a member of theirs, and what to do."""
_ROWS = ("input_tokens", "output_tokens")


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


class LineError(ValueError):
    """A line is not as expected; `path` is that of the member in the line."""

    def __init__(self, detail: str, *path: str) -> None:
        super().__init__(detail)
        self.path = path


@dataclass(frozen=True)
class BatchLine:
    """A line of an OpenAI batch, read.

    `name` is its `custom_id`; `spelled` the LLM as the line names it, None where it names none,
    and `place` where in the line's bytes that stands. There is a number of input tokens for
    each prompt. `llms` may serve the line, any where None. `uncounted` are the parts of prompts
    that are no text, by kind.
    """

    name: str
    url: str
    spelled: str | None
    place: ModelPlace
    input_tokens: tuple[int, ...] = (0,)
    output_tokens: int = 1
    choices: int = 1
    llms: list[str] | None = None
    uncounted: Mapping[str, int] = field(default_factory=dict)
    is_planned: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing of its prompts counts, and nothing is known to be in them."""
        return self.is_planned and not any(self.input_tokens) and not self.uncounted


def read_line(text: bytes, rule: TokenRule) -> BatchLine:
    """Return what a line says; of an endpoint that is not planned only what names it.

    A LineError says where the line is not of the form, or says what no server takes.
    """
    line = _parsed(text)
    url, body = line["url"], line["body"]
    planned = is_planned(url)
    spelled = body.get("model")
    for wrong in invalid_members(body if planned else {"model": spelled}):
        raise LineError(wrong.detail, "body", *map(str, wrong.path))
    try:
        place = place_of_model(text, named=spelled is not None)
    except RepeatedKeyError as error:
        raise LineError(str(error)) from None
    if not planned:
        return BatchLine(line["custom_id"], url, spelled, place)
    prompts = prompts_of(body)
    return BatchLine(
        line["custom_id"],
        url,
        spelled,
        place,
        tuple(one.tokens + ceil(one.characters / rule.characters_per_token) for one in prompts),
        _output_tokens(body, rule),
        choices_of(body),
        _llms(spelled, rule),
        prompts[0].uncounted,
        is_planned=True,
    )


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        line = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise LineError(_no_json(text, error)) from None
    if not isinstance(line, dict) or not isinstance(line.get("body"), dict):
        got = listed([shown(name) for name in line]) if isinstance(line, dict) else kind_of(line)
        message = f"Expected an object with custom_id, method, url and an object body, got {got}."
        raise LineError(message + _foreign(line))
    if line.get("method") != "POST":
        raise LineError(f"Expected method POST, got {_got(line.get('method'))}.", "method")
    if not isinstance(line.get("url"), str):
        raise LineError(other_endpoint(line.get("url")), "url")
    if not isinstance(line.get("custom_id"), str):
        raise LineError("Expected custom_id as text.", "custom_id")
    return line


def _no_json(text: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        text.decode()
    except UnicodeDecodeError as broken:
        byte = f"byte {text[broken.start]:#04x} at byte {broken.start}"
        return f"Expected JSON in UTF-8, got {byte} of the line: convert the file with iconv."
    return f"Expected JSON, an object whole on one line, got: {error}."


def _foreign(line: object) -> str:
    """Say what a line of another format is, and what to do; "" where it is none that is known."""
    if isinstance(line, list):
        return " Write each of the list on a line of its own."
    members = line.keys() if isinstance(line, dict) else ()
    known = next((note for member, note in _FORMATS.items() if member in members), None)
    if known is None:
        return f" A table of plain rows begins with one that has {' and '.join(_ROWS)}."
    return f" {known}"


def _got(value: object) -> str:
    return "none" if value is None else f"{value!r:.60}"


def _output_tokens(body: Mapping[str, Any], rule: TokenRule) -> int:
    stated = stated_limit(body)
    if stated is not None:
        return max(1, stated)
    if rule.output_tokens is None:
        message = (
            f"Expected {' or '.join(LIMITS)} in the body, got none of at least 1: state an "
            f"estimate for such lines, {rule.spelling.output_tokens}."
        )
        raise LineError(message, "body")
    return max(1, int(rule.output_tokens))


def _llms(spelled: str | None, rule: TokenRule) -> list[str] | None:
    if rule.llms is None:
        return None if spelled is None else [read_llm(spelled)]
    return list(rule.llms) or None
