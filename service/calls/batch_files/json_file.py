"""A batch as JSON: a body of `POST /plan`, or rows of a table in a list or one on each line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from costmodel.kinds import kind_of
from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.known_columns import NEEDED, known_count
from service.calls.batch_files.lines import Data, line_spans
from service.calls.batch_files.table import Table, batch_of, table_of_rows

OPENAI_MEMBERS = frozenset({"custom_id", "method", "url", "body"})


def holds_rows(data: Data, renamed: Mapping[str, str]) -> bool:
    """Say whether the first line is a row of a table; what is none is read as an OpenAI batch.

    `data` is in UTF-8, and `renamed` has their column for each of ours.
    """
    span = next(line_spans(data), None)
    if span is None:
        return False
    try:
        first = orjson.loads(data[span[1] : span[2]])
    except orjson.JSONDecodeError:
        return False
    if not isinstance(first, dict) or OPENAI_MEMBERS & set(first):
        return False
    return bool(renamed) or known_count(list(first), {}) >= len(NEEDED)


def lines_table(data: Data) -> Table:
    """Return the table of a file in UTF-8 with a row on each line; BatchFileError where not."""
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, start, end, _ in line_spans(data):
        try:
            row = orjson.loads(data[start:end])
        except orjson.JSONDecodeError as error:
            raise BatchFileError(f"line {number}: Expected JSON, got: {error}.") from None
        if not isinstance(row, dict):
            got = kind_of(row)
            raise BatchFileError(f"line {number}: Expected a JSON object, got {got}.")
        if set(row) >= OPENAI_MEMBERS:
            raise BatchFileError(
                f"line {number}: Expected a row as on the lines before, got a line of an OpenAI "
                "batch: give each a file of its own."
            )
        rows.append(row)
        numbers.append(number)
    return table_of_rows(rows, numbers, "line")


def read_json(data: bytes, renamed: Mapping[str, str]) -> BatchFile:
    """Return the batch of a file in UTF-8, with all that stands beside it in a body.

    `renamed` has their column for each of ours, where the file is a list of rows. A
    BatchFileError is raised where it is neither a JSON object nor a list of them.
    """
    try:
        document = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise BatchFileError(f"Expected JSON, got: {error}.") from None
    if isinstance(document, list) and document and all(isinstance(row, dict) for row in document):
        if set(document[0]) >= OPENAI_MEMBERS:
            raise BatchFileError(
                "Expected rows, got lines of an OpenAI batch in a list: write each on a line of "
                "its own, in a file that ends in .jsonl."
            )
        return batch_of(table_of_rows(document, range(1, len(document) + 1)), renamed)
    if not isinstance(document, dict):
        raise BatchFileError(f"Expected a JSON object, got {kind_of(document)}.")
    if renamed:
        raise BatchFileError("Expected --column with a table only: a body has the names it has.")
    return BatchFile(document)
