"""A batch as the OpenAI batch API takes it: one JSON object a line.

``{"custom_id": ..., "method": "POST", "url": "/v1/chat/completions", "body": {"model": ..., ...}}``

::

    BatchFileError
        BadLinesError    lines of the file cannot be read; it knows which, and why
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import orjson

from costmodel.nearest import listed, shown
from service.batch_files.batch_file import BatchFile, BatchFileError
from service.batch_files.endpoints import CHAT, REPORT_OTHERS, is_planned, other_endpoint
from service.batch_files.lines import BatchLines, Data, line_spans
from service.batch_files.model_place import RepeatedKeyError, place_of_model
from service.batch_files.token_rule import TokenRule
from service.planning.result import PlanWarning
from service.problems import AlikeErrors, Complaints, FieldError, pointer
from service.prompts import (
    LIMITS,
    NOT_COUNTED,
    Prompt,
    choices_of,
    prompts_of,
    told_uncounted,
)
from service.request_body import wrong_members
from service.schemas.names import read_llm

MAX_TOLD = 20
"""Kinds of complaints that the command line tells of."""
MEMBERS: Mapping[str, tuple[str, ...]] = {
    "id": ("custom_id",),
    "output_tokens": ("body",),
    "choices": ("body", "n"),
    "llms": ("body", "model"),
}
"""Where in a line the values of a column come from."""
MAX_LINE_BYTES = 32 * 1024 * 1024
"""A line above this is refused: no prompt with its images is as long."""


class BadLinesError(BatchFileError):
    """Raised where lines cannot be read.

    Attributes
    ----------
    complaints
        Pointers are ``/lines/<number>/...``, the number from 1.
    """

    def __init__(self, complaints: Complaints) -> None:
        told = [_in_words(error) for error in complaints.first[:MAX_TOLD]]
        more = complaints.count - len(told)
        super().__init__("\n  ".join(told) + (f"\n  and {more} more" if more > 0 else ""))
        self.complaints = complaints


@dataclass
class OpenAiBatch:
    """A batch of lines, read.

    Attributes
    ----------
    lines
        Where each lies in the file.
    columns
        As of a body of `POST /plan`.
    warnings
        What the reader of the plan should know about the reading.
    set_aside
        Why lines are not to be planned, by index.
    """

    lines: BatchLines
    columns: dict[str, list[Any]] = field(default_factory=dict)
    warnings: tuple[PlanWarning, ...] = ()
    set_aside: Mapping[int, str] = field(default_factory=dict)

    def place(self, where: str) -> str:
        """Return where in the file a pointer into the columns leads, in words."""
        line = self.request(where)
        member = "" if line == where else ".".join(MEMBERS.get(where.split("/")[2], ()))
        return f"{line}, {member}" if member else line

    def request(self, where: str) -> str:
        """Return in which line of the file a pointer into the columns leads, in words."""
        parts = where.split("/")
        if parts[1:2] != ["columns"] or len(parts) < 4:
            return where
        return f"line {self.lines.numbers[int(parts[3])]}"


def read_openai_batch(data: Data, rule: TokenRule) -> BatchFile:
    """Return the batch, with warnings that its tokens are estimates.

    Raises
    ------
    BadLinesError
        Where a line is not of that form, or states no limit of its output and the rule has none.
    """
    batch = read_lines(data, rule)
    columns = {"columns": batch.columns}
    return BatchFile(
        columns, batch.place, batch.request, batch.warnings, batch.lines, batch.set_aside
    )


def read_lines(data: Data, rule: TokenRule) -> OpenAiBatch:
    """Return the lines of a batch and its columns.

    Raises
    ------
    BadLinesError
        As `read_openai_batch`; it tells of every line.
    """
    reader = _Reader(data, rule)
    for span in line_spans(data):
        reader.read(span)
    return reader.batch()


class _ComplaintError(ValueError):
    """A line is not as expected.

    Attributes
    ----------
    path
        Of the member in the line.
    """

    def __init__(self, detail: str, *path: str) -> None:
        super().__init__(detail)
        self.path = path


class _Reader:
    """Reads lines one by one, and keeps what is to be complained of."""

    def __init__(self, data: Data, rule: TokenRule) -> None:
        self._rule = rule
        self._lines = BatchLines(data)
        self._found = AlikeErrors()
        self._set_aside: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._input_tokens: list[int | list[int]] = []
        self._output_tokens: list[int] = []
        self._choices: list[int] = []
        self._llms: list[list[str] | None] = []
        self._uncounted: Counter[str] = Counter()
        self._elsewhere = 0

    def read(self, span: tuple[int, int, int, int]) -> None:
        """Read a line."""
        try:
            self._read(span)
        except _ComplaintError as error:
            self._found.add(FieldError(pointer("lines", span[0], *error.path), str(error)))

    def batch(self) -> OpenAiBatch:
        """Return what was read.

        Raises
        ------
        BadLinesError
            Where there is something to complain of.
        """
        if not self._found and not len(self._lines):
            self._found.add(FieldError("", "Expected at least one line."))
        if self._found:
            raise BadLinesError(self._found.complaints())
        columns: dict[str, list[Any]] = {
            "id": list(self._numbers),
            "input_tokens": self._input_tokens,
            "output_tokens": self._output_tokens,
        }
        if any(llms is not None for llms in self._llms):
            columns["llms"] = self._llms
        if any(choices != 1 for choices in self._choices):
            columns["choices"] = self._choices
        warnings = _warnings(self._rule, self._uncounted, self._elsewhere)
        return OpenAiBatch(self._lines, columns, warnings, self._set_aside)

    def _read(self, span: tuple[int, int, int, int]) -> None:
        number, start, end, _ = span
        if end - start > MAX_LINE_BYTES:
            raise _ComplaintError(f"Expected at most {MAX_LINE_BYTES} bytes in a line.")
        text = self._lines.data[start:end]
        line = _parsed(text)
        elsewhere = not is_planned(line["url"])
        if elsewhere and not self._rule.reports_others:
            raise _ComplaintError(other_endpoint(line["url"]) + REPORT_OTHERS, "url")
        name, body = line["custom_id"], line["body"]
        spelled = body.get("model")
        for wrong in wrong_members({"model": spelled} if elsewhere else body):
            raise _ComplaintError(wrong.detail, "body", *map(str, wrong.path))
        try:
            place = place_of_model(text, named=spelled is not None)
        except RepeatedKeyError as error:
            raise _ComplaintError(str(error)) from None
        # What is set aside is never priced; a row keeps its place among the lines.
        prompts = [Prompt()] if elsewhere else prompts_of(body)
        output_tokens = 1 if elsewhere else _output_tokens(body, self._rule)
        choices = 1 if elsewhere else choices_of(body)
        first = self._numbers.setdefault(name, number)
        if first != number:
            message = f"Expected custom_ids that differ, got {name!r:.80} as on line {first}."
            raise _ComplaintError(message, "custom_id")
        if elsewhere:
            self._set_aside[len(self._lines)] = other_endpoint(line["url"])
        self._lines.add(span, place, spelled)
        tokens = [_input_tokens(prompt, self._rule) for prompt in prompts]
        self._input_tokens.append(tokens if len(tokens) > 1 else tokens[0])
        self._output_tokens.append(output_tokens)
        self._choices.append(choices)
        self._llms.append(None if elsewhere else _llms(spelled, self._rule))
        self._uncounted += prompts[0].uncounted
        self._elsewhere += not elsewhere and line["url"] != CHAT


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        line = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _ComplaintError(f"Expected JSON, got: {error}.") from None
    if not isinstance(line, dict) or not isinstance(line.get("body"), dict):
        got = listed([shown(name) for name in line]) if isinstance(line, dict) else "no object"
        message = f"Expected an object with custom_id, method, url and an object body, got {got}."
        raise _ComplaintError(message)
    if line.get("method") != "POST":
        raise _ComplaintError(f"Expected method POST, got {line.get('method')!r:.60}.", "method")
    if not isinstance(line.get("url"), str):
        raise _ComplaintError(other_endpoint(line.get("url")), "url")
    if not isinstance(line.get("custom_id"), str):
        raise _ComplaintError("Expected custom_id as text.", "custom_id")
    return line


def _input_tokens(prompt: Prompt, rule: TokenRule) -> int:
    return prompt.tokens + ceil(prompt.characters / rule.characters_per_token)


def _output_tokens(body: Mapping[str, Any], rule: TokenRule) -> int:
    stated = next((body[name] for name in LIMITS if body.get(name) is not None), rule.output_tokens)
    if stated is None:
        message = (
            f"Expected {' or '.join(LIMITS)} in the body, got none: state an estimate for such "
            "lines, output_tokens in a call or --output-tokens on the command line."
        )
        raise _ComplaintError(message, "body")
    return max(1, int(stated))


def _llms(spelled: str | None, rule: TokenRule) -> list[str] | None:
    if rule.llms is None:
        return None if spelled is None else [read_llm(spelled)]
    return list(rule.llms) or None


def _in_words(error: FieldError) -> str:
    """Return a complaint as the command line words it."""
    _, *parts = error.pointer.split("/")
    if len(parts) < 2:
        return error.detail
    member = f", {'.'.join(parts[2:])}" if len(parts) > 3 else ""
    return f"line {parts[1]}{member}: {error.detail}"


def _warnings(
    rule: TokenRule, uncounted: Mapping[str, int], elsewhere: int
) -> tuple[PlanWarning, ...]:
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
    if uncounted:
        told.append(PlanWarning(NOT_COUNTED, told_uncounted(uncounted)))
    if elsewhere:
        message = (
            f"{elsewhere} lines have another url than {CHAT}, the only one of these that `vllm "
            "run-batch` serves."
        )
        told.append(PlanWarning("not_for_run_batch", message))
    return tuple(told)
