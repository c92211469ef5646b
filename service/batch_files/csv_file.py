"""A batch as CSV: one row a request, with the columns of `columns`."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO
from typing import Any

import orjson

from service.batch_files.batch_file import BatchFile, BatchFileError, check_columns, row_and_column

SEPARATOR = ";"
_LISTS = ("llms", "pools")


def read_csv(data: bytes) -> BatchFile:
    """Return the batch.

    The first row names the columns. Names in `llms` and `pools` are joined by ``;``. An empty cell
    is null. A cell that begins with ``{`` or ``[`` is JSON.

    Raises
    ------
    BatchFileError
        Where it is not UTF-8, has unknown columns or rows of another length.
    """
    try:
        rows = list(csv.reader(StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BatchFileError(f"Expected CSV in UTF-8, got: {error}.") from None
    header, *body = rows or [[]]
    names = [name.strip() for name in header]
    check_columns(names)
    body = [row for row in body if row]
    for number, row in enumerate(body, start=1):
        if len(row) != len(names):
            raise BatchFileError(f"row {number}: Expected {len(names)} cells, got {len(row)}.")
    if not body:
        raise BatchFileError("Expected at least one row below the names of the columns.")
    columns = {
        name: [_reader(name)(cell) for cell in cells]
        for name, cells in zip(names, zip(*body, strict=True), strict=True)
    }
    return BatchFile({"columns": columns}, row_and_column)


def _reader(name: str) -> Callable[[str], Any]:
    if name == "id":
        return str
    return _names if name in _LISTS else _number


def _names(cell: str) -> list[str] | None:
    return [name.strip() for name in cell.split(SEPARATOR)] if cell.strip() else None


def _number(cell: str) -> object:
    """Return what a cell says, the cell itself where the schema is to refuse it.

    Examples
    --------
    >>> [_number(cell) for cell in ("12", " 0.5 ", "", "many", '{"p50": 10, "p90": 40}')]
    [12, 0.5, None, 'many', {'p50': 10, 'p90': 40}]
    """
    text = cell.strip()
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return cell
