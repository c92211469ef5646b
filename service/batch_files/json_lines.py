"""Lines of JSON: an OpenAI batch, or plain rows with our columns or those of a known trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from costmodel.kinds import kind_of
from service.batch_files.batch_file import BatchFile, BatchFileError
from service.batch_files.known_columns import NEEDED, recognise, worth
from service.batch_files.lines import Data, line_spans
from service.batch_files.table import batch_of, transposed

OPENAI_MEMBERS = frozenset({"custom_id", "method", "url", "body"})


def holds_rows(data: Data, renamed: Mapping[str, str] | None = None) -> bool:
    """Say whether the first line is a row of a table; what is none is read as an OpenAI batch.

    Parameters
    ----------
    data
        Of the file, in UTF-8.
    renamed
        Their column for each of ours.
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
    return bool(renamed) or worth(list(first), {}) >= len(NEEDED)


def read_rows(data: Data, renamed: Mapping[str, str] | None = None) -> BatchFile:
    """Return the batch of rows, one a line.

    Parameters
    ----------
    data
        Of the file, in UTF-8.
    renamed
        Their column for each of ours.

    Raises
    ------
    BatchFileError
        Where a line is no JSON object, or has unknown columns.
    """
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
    names, column = transposed(rows)
    return batch_of(names, column, recognise(names, renamed or {}), numbers, "line")
