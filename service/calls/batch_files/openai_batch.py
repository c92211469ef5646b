"""A batch as the OpenAI batch API takes it: one JSON object a line.

``{"custom_id": ..., "method": "POST", "url": "/v1/chat/completions", "body": {"model": ..., ...}}``

::

    BatchFileError
        BadLinesError    lines of the file cannot be read; it knows which, and why
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from costmodel.nearest import counted
from planner.result import PlanWarning
from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.batch_line import CHAT, LineError, other_endpoint, read_line
from service.calls.batch_files.lines import BatchLines, Data, line_spans
from service.calls.prompts.uncounted import EMPTY, NOT_COUNTED, describe_uncounted
from service.calls.schemas.batch_query import TokenRule
from service.problems import AlikeErrors, Complaints, FieldError, Problem, pointer

MAX_LISTED = 20
"""Kinds of complaints that the command line lists."""
MEMBERS: Mapping[str, tuple[str, ...]] = {
    "id": ("custom_id",),
    "output_tokens": ("body",),
    "choices": ("body", "n"),
    "llms": ("body", "model"),
}
"""The member of a line from which the values of a column come."""

MAX_LINE_BYTES = 32 * 1024 * 1024
"""A line above this is refused: no prompt with its images is as long."""
FLOOR = "min_mean_quality"
STAYS = (
    " The lines stay on the LLMs that they name: {} would let any LLM of the fleet serve them, and "
    "lift what keeps the mean quality down."
)
"""The place is for what the caller would say."""
OTHERS = " {} would let the fleet's LLMs serve such lines."
"""Added where lines name an LLM that the fleet has not, with what the caller would say."""


class BadLinesError(BatchFileError):
    """Raised where lines cannot be read; complaints point to ``/lines/<number>/...``, from 1."""

    def __init__(self, complaints: Complaints) -> None:
        listed = [_in_words(error) for error in complaints.first[:MAX_LISTED]]
        more = complaints.count - len(listed)
        super().__init__("\n  ".join(listed) + (f"\n  and {more} more" if more > 0 else ""))
        self.complaints = complaints


@dataclass
class OpenAiBatch:
    """A batch of lines, read: where each lies, and the columns of a body of `POST /plan`.

    `set_aside` says why lines are not to be planned, by index.
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

    A BadLinesError is raised where lines are not of that form, or state no limit of their
    output and the rule has none.
    """
    batch = read_lines(data, rule)
    columns = {"columns": batch.columns}
    return BatchFile(
        columns, batch.place, batch.request, batch.warnings, batch.lines, batch.set_aside
    )


def read_lines(data: Data, rule: TokenRule) -> OpenAiBatch:
    """Return the lines of a batch and its columns; BadLinesError names every line that is wrong."""
    reader = _BatchReader(data, rule)
    for span in line_spans(data):
        reader.read(span)
    return reader.batch()


class _BatchReader:
    """Reads lines one by one, and collects what is wrong with them."""

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
        self._not_chat = 0
        self._planned = 0
        self._empty: list[int] = []

    def read(self, span: tuple[int, int, int, int]) -> None:
        """Read a line: its number, start, end and end of line."""
        try:
            self._read(span)
        except LineError as error:
            self._found.add(FieldError(pointer("lines", span[0], *error.path), str(error)))

    def batch(self) -> OpenAiBatch:
        """Return what was read, or raise a BadLinesError where something is wrong."""
        if not self._found and not len(self._lines):
            self._found.add(FieldError("", "Expected at least one line."))
        if self._found:
            raise BadLinesError(self._complaints())
        columns: dict[str, list[Any]] = {
            "id": list(self._numbers),
            "input_tokens": self._input_tokens,
            "output_tokens": self._output_tokens,
        }
        if any(llms is not None for llms in self._llms):
            columns["llms"] = self._llms
        if any(choices != 1 for choices in self._choices):
            columns["choices"] = self._choices
        warnings = _warnings(self._rule, self._uncounted, self._empty, self._not_chat)
        return OpenAiBatch(self._lines, columns, warnings, self._set_aside)

    def _complaints(self) -> Complaints:
        """Return what was found, and what lets the others be planned where there are any."""
        found = self._found.complaints()
        if not self._planned:
            return found
        hint = f" The others can be planned with {self._rule.spelling.report}."
        elsewhere = other_endpoint("")[:20]
        first = [
            replace(error, detail=error.detail + hint)
            if error.pointer.endswith("/url") and error.detail.startswith(elsewhere)
            else error
            for error in found.first
        ]
        return Complaints(first, found.count)

    def _read(self, span: tuple[int, int, int, int]) -> None:
        number, start, end, _ = span
        if end - start > MAX_LINE_BYTES:
            raise LineError(f"Expected at most {MAX_LINE_BYTES} bytes in a line.")
        line = read_line(self._lines.data[start:end], self._rule)
        self._planned += line.is_planned
        if not line.is_planned and not self._rule.reports_others:
            raise LineError(other_endpoint(line.url), "url")
        first = self._numbers.setdefault(line.name, number)
        if first != number:
            message = f"Expected custom_ids that differ, got {line.name!r:.80} as on line {first}."
            raise LineError(message, "custom_id")
        if not line.is_planned:
            # It is never priced; a row keeps its place among the lines.
            self._set_aside[len(self._lines)] = other_endpoint(line.url)
        self._lines.add(span, line.place, line.spelled)
        tokens = line.input_tokens
        self._input_tokens.append(list(tokens) if len(tokens) > 1 else tokens[0])
        self._output_tokens.append(line.output_tokens)
        self._choices.append(line.choices)
        self._llms.append(line.llms)
        self._uncounted.update(line.uncounted)
        self._empty += [number] if line.is_empty else []
        self._not_chat += line.is_planned and line.url != CHAT


def _in_words(error: FieldError) -> str:
    """Return a complaint in the words of the command line."""
    _, *parts = error.pointer.split("/")
    if len(parts) < 2:
        return error.detail
    member = f", {'.'.join(parts[2:])}" if len(parts) > 3 else ""
    return f"line {parts[1]}{member}: {error.detail}"


def _warnings(
    rule: TokenRule, uncounted: Mapping[str, int], empty: Sequence[int], not_chat: int
) -> tuple[PlanWarning, ...]:
    listed = [
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
        listed.append(PlanWarning(NOT_COUNTED, describe_uncounted(uncounted)))
    if empty:
        message = (
            f"Planned at 0 input tokens, for want of a prompt: {counted(len(empty), 'line')}; the "
            f"first is line {empty[0]}."
        )
        listed.append(PlanWarning(EMPTY, message))
    if not_chat:
        message = (
            f"Another url than {CHAT}, the only one of these that `vllm run-batch` serves, is that "
            f"of {counted(not_chat, 'line')}."
        )
        listed.append(PlanWarning("not_for_run_batch", message))
    return tuple(listed)


def stays_below(problem: Problem, columns: Mapping[str, Any]) -> bool:
    """Say whether a floor on quality cannot be met while lines stay on the LLMs that they name.

    `problem` is what there is instead of a plan of `columns`.
    """
    is_floor = problem.slug == "infeasible" and FLOOR in problem.extra.get("conflict", ())
    return is_floor and any(llms is not None for llms in columns.get("llms") or ())
