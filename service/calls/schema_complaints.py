"""What the schema says of a document that is too large to be given to it whole.

A million bad rows would become a million errors of half a kilobyte. So the requests are checked a
piece at a time, the rest of the document by itself, and only the first errors are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from service.calls.plain_columns import FILLER
from service.calls.schemas.requests import RequestColumns
from service.calls.validation import path_of
from service.problems import Complaints, FieldError, pointer
from service.wording import words_of_error

ROWS_A_PIECE = 10_000

Path = tuple[str | int, ...]


def complaints_of(document: Mapping[str, Any], schema: type[BaseModel]) -> Complaints:
    """Return what a schema of calls finds wrong with a document.

    The same as it finds in the whole, in the order: rows, columns, all else.
    """
    found = Complaints()
    for start, rows in _pieces(document.get("requests")):
        complain(found, schema, {"requests": rows}, start)
    columns = document.get("columns")
    if isinstance(columns, dict):
        for name in RequestColumns.model_fields:
            for start, values in _pieces(columns.get(name)):
                complain_of_values(found, name, values, range(start, start + len(values)))
    complain(found, schema, outline(document))
    return found


def complain_of_values(
    found: Complaints, name: str, values: Sequence[Any], indices: Sequence[int]
) -> None:
    """Add what the schema finds wrong with values of a column, which stand at `indices` in it."""
    for path, detail in _errors(RequestColumns, {**FILLER, name: values}):
        column, *rest = path
        if rest and isinstance(rest[0], int):
            rest[0] = indices[rest[0]]
        found.add(FieldError(pointer("columns", column, *rest), detail))


def complain(
    found: Complaints, schema: type[BaseModel], part: Mapping[str, Any], start: int = 0
) -> None:
    """Add what the schema finds wrong with a part of a document, whose first row is at `start`."""
    for path, detail in _errors(schema, part):
        moved = [
            where + start if place == 1 and isinstance(where, int) else where
            for place, where in enumerate(path)
        ]
        found.add(FieldError(pointer(*moved), detail))


def outline(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with all its requests replaced by little that is good."""
    changed = dict(document)
    if _is_bulk(document.get("requests")):
        changed["requests"] = None
    columns = document.get("columns")
    if isinstance(columns, dict):
        changed["columns"] = {
            name: FILLER.get(name) if name in RequestColumns.model_fields and _is_bulk(v) else v
            for name, v in columns.items()
        }
    return changed


def _is_bulk(values: object) -> bool:
    return isinstance(values, list) and len(values) > 0


def _pieces(values: object) -> Iterator[tuple[int, list[Any]]]:
    if isinstance(values, list):
        for start in range(0, len(values), ROWS_A_PIECE):
            yield start, values[start : start + ROWS_A_PIECE]


def _errors(schema: type[BaseModel], part: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Return path and text of each error, in the words that the schema has for JSON."""
    try:
        schema.model_validate_json(to_json(part, inf_nan_mode="constants"))
    except ValidationError as error:
        found = error.errors(include_url=False)
        return [(path_of(each), words_of_error(each)) for each in found]
    return []
