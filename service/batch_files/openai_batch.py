"""A batch as the OpenAI batch API takes it: one JSON object a line.

``{"custom_id": ..., "method": "POST", "url": "/v1/chat/completions", "body": {"model": ..., ...}}``
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import orjson

from service.batch_files.batch_file import BatchFile, BatchFileError
from service.batch_files.prompt_size import CHARACTERS_PER_TOKEN, LIMITS, PromptSize
from service.planning.result import PlanWarning

PROMPTS: Mapping[str, tuple[str, ...]] = {
    "/v1/chat/completions": ("messages",),
    "/v1/completions": ("prompt",),
    "/v1/responses": ("instructions", "input"),
}
"""Members of the body that hold the prompt, by the endpoint."""


@dataclass(frozen=True)
class TokenRule:
    """How tokens are estimated.

    Attributes
    ----------
    characters_per_token
        Of the prompt, above 0.
    output_tokens
        Where a line states no limit; None: such a line is refused.
    keep_llms
        Plan each request for the LLM that its line names, instead of any.
    """

    characters_per_token: float = CHARACTERS_PER_TOKEN
    output_tokens: int | None = None
    keep_llms: bool = False


def read_openai_batch(data: bytes, rule: TokenRule) -> BatchFile:
    """Return the batch, with warnings that its tokens are estimates.

    Raises
    ------
    BatchFileError
        Where a line is not of that form, or states no limit of its output and the rule has none.
    """
    numbers: list[int] = []
    columns: dict[str, list[Any]] = {"id": [], "input_tokens": [], "output_tokens": []}
    if rule.keep_llms:
        columns["llms"] = []
    unseen = 0
    for number, line in _lines(data):
        numbers.append(number)
        body = line["body"]
        size = PromptSize()
        for member in PROMPTS[line["url"]]:
            size.add(body.get(member))
        unseen += size.other
        columns["id"].append(line["custom_id"])
        columns["input_tokens"].append(_input_tokens(size, rule))
        columns["output_tokens"].append(_output_tokens(number, body, rule))
        if rule.keep_llms:
            columns["llms"].append([_llm(number, body)])
    if not numbers:
        raise BatchFileError("Expected at least one line.")

    def place(pointer: str) -> str:
        parts = pointer.split("/")
        if parts[1:2] != ["columns"] or len(parts) < 4:
            return pointer
        return f"line {numbers[int(parts[3])]}, {parts[2]}"

    return BatchFile({"columns": columns}, place, _warnings(rule, unseen))


def _lines(data: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in enumerate(data.splitlines(), start=1):
        if not text.strip():
            continue
        try:
            line = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise BatchFileError(f"line {number}: Expected JSON, got: {error}.") from None
        _check(number, line)
        yield number, line


def _check(number: int, line: object) -> None:
    if not isinstance(line, dict) or not isinstance(line.get("body"), dict):
        expected = "an object with custom_id, method, url and body"
        raise BatchFileError(f"line {number}: Expected {expected}.")
    for member, known in (("method", ("POST",)), ("url", tuple(PROMPTS))):
        if line.get(member) not in known:
            got = line.get(member)
            message = f"line {number}: Expected {member} {' or '.join(known)}, got {got!r:.60}."
            raise BatchFileError(message)
    if not isinstance(line.get("custom_id"), str):
        raise BatchFileError(f"line {number}: Expected custom_id as text.")


def _input_tokens(size: PromptSize, rule: TokenRule) -> int:
    return size.tokens + ceil(size.characters / rule.characters_per_token)


def _output_tokens(number: int, body: Mapping[str, Any], rule: TokenRule) -> int:
    stated = next((body[name] for name in LIMITS if body.get(name) is not None), rule.output_tokens)
    choices = body.get("n") or 1
    if stated is None:
        message = (
            f"line {number}: Expected {' or '.join(LIMITS)} in the body, got neither: "
            "state an estimate for such lines by --output-tokens."
        )
        raise BatchFileError(message)
    if not (_is_count(stated) and _is_count(choices)):
        message = f"line {number}: Expected limits of output as whole numbers, got {stated!r:.40}."
        raise BatchFileError(message)
    return int(stated) * int(choices)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _llm(number: int, body: Mapping[str, Any]) -> str:
    """Return the LLM as jouleplan names it: after the last slash, in lower case."""
    named = body.get("model")
    if not isinstance(named, str):
        raise BatchFileError(f"line {number}: Expected model as text in the body.")
    return named.rpartition("/")[2].lower()


def _warnings(rule: TokenRule, unseen: int) -> tuple[PlanWarning, ...]:
    told = [
        PlanWarning(
            "tokens_estimated",
            f"Input tokens are estimated from the prompts at {rule.characters_per_token:g} "
            "characters a token; output tokens are the limits that the lines state"
            + (
                "."
                if rule.output_tokens is None
                else f", {rule.output_tokens} where they state none."
            ),
        )
    ]
    if unseen:
        message = f"{unseen} parts of prompts are no text (images, files) and count nothing."
        told.append(PlanWarning("prompt_parts_not_counted", message))
    return tuple(told)
