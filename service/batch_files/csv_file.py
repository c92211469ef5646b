"""A batch as CSV: one row a request, with the columns of `columns` or of a known trace."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import Any

import orjson

from service.batch_files.batch_file import BatchFile, BatchFileError
from service.batch_files.known_columns import recognise, worth
from service.batch_files.table import LISTS, NOTHING, batch_of

SEPARATORS = (",", ";", "\t", "|")
_TEXTS = ("id", *LISTS)
_COUNTS = ("input_tokens", "output_tokens", "choices")
# Read as a decimal point, a mark between thousands makes a number a thousandth of what it is.
_GROUPED = re.compile(r"[1-9]\d{0,2}(\.\d{3})+")
# The first line that spreadsheets write to say how they separate.
_SAID = "sep="


def read_csv(data: bytes, renamed: Mapping[str, str] | None = None) -> BatchFile:
    """Return the batch.

    The first row names the columns. Cells are separated by a comma, a semicolon, a tab or a bar, as
    the first row tells. Names in `llms` and `pools` are joined by ``;``. An empty cell, or what
    writers put there, is null. A cell that begins with ``{`` or ``[`` is JSON. A count such as
    ``1.000`` is refused where the separator is no comma: who writes so may mean a thousand.

    Parameters
    ----------
    data
        Of the file, in UTF-8.
    renamed
        Their column for each of ours.

    Raises
    ------
    BatchFileError
        Where it is no CSV, has unknown columns or rows of another length.
    """
    text = data.decode("utf-8-sig")
    first, _, after = text.partition("\n")
    if first.strip().lower().startswith(_SAID):
        text = after
    try:
        separator, names, body = _table(text, renamed or {})
    except csv.Error as error:
        raise BatchFileError(f"Expected CSV, got: {error}.") from None
    recognised = recognise(names, renamed or {})
    for number, row in enumerate(body, start=1):
        if len(row) != len(names):
            raise BatchFileError(f"row {number}: Expected {len(names)} cells, got {len(row)}.")
    if not body:
        raise BatchFileError("Expected at least one row below the names of the columns.")
    ours = {index: name for name, index in recognised.origin.items()}

    def column(index: int) -> list[Any]:
        read = _reader(ours.get(index, ""), separator)
        return [read(row[index]) for row in body]

    return batch_of(names, column, recognised, range(1, len(body) + 1))


def _table(text: str, renamed: Mapping[str, str]) -> tuple[str, list[str], list[list[str]]]:
    """Return the separator, the names of the columns, and the rows that are not blank."""
    separator = max(SEPARATORS, key=lambda sign: _fit(text, sign, renamed))
    rows = list(csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True))
    names, *body = rows or [[]]
    return separator, [name.strip() for name in names], [row for row in body if row]


def _fit(text: str, separator: str, renamed: Mapping[str, str]) -> tuple[int, int]:
    """Return how well a separator fits: columns that are known, then columns at all."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        names: Sequence[str] = next(reader, [])
    except csv.Error:
        return 0, 0
    return worth(names, renamed), len(names)


def _reader(name: str, separator: str) -> Callable[[str], Any]:
    if name in _TEXTS:
        return str
    return _count if name in _COUNTS and separator != "," else _number


def _count(cell: str) -> object:
    return cell if _GROUPED.fullmatch(cell.strip()) else _number(cell)


def _number(cell: str) -> object:
    """Return what a cell says, the cell itself where the schema is to refuse it.

    Examples
    --------
    >>> [_number(cell) for cell in ("12", " 0.5 ", "", "many", '{"p50": 10, "p90": 40}', "NaN")]
    [12, 0.5, None, 'many', {'p50': 10, 'p90': 40}, None]
    """
    text = cell.strip()
    if text.lower() in NOTHING:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return cell
