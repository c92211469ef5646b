"""From the body of a call to its terms and its requests, whatever form they have.

::

    JSON   -> document  -> plain columns (numpy)   -> Batch
                        -> the schema, in pieces   -> complaints, or Batch where all is well
    Arrow  -> table     -> columns (numpy)         -> Batch
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic_core import from_json, to_json

from service.calls.batch import Batch
from service.calls.content import Content, to_bytes
from service.calls.heap import collection_paused
from service.calls.messages import ARROW
from service.calls.plain_columns import FILLER, NotPlainError, batch_of_columns, batch_of_rows
from service.calls.schema_complaints import complaints_of
from service.calls.schemas.calls import WithRequests
from service.calls.validation import parse
from service.problems import FieldError, invalid

Terms = TypeVar("Terms", bound=WithRequests)


@dataclass(frozen=True)
class Call(Generic[Terms]):
    """A call whose fields are checked, each by itself: its requests, and as terms all else."""

    terms: Terms
    batch: Batch

    def without(self, set_aside: Mapping[int, str]) -> Call[Terms]:
        """Return the call with requests that are not to be planned: why, by index."""
        return replace(self, batch=replace(self.batch, set_aside=set_aside))


def read_call(
    body: Content, media_type: str, schema: type[Terms], max_requests: int
) -> Call[Terms]:
    """Return what a body, JSON or an Arrow stream, says.

    A ProblemError has the status 400 where the body is not JSON, 413 where an Arrow stream has
    more than `max_requests` rows, and 422 with a pointer for each field that breaks the schema.
    """
    if media_type == ARROW:
        from service.calls.arrow.call import read_arrow  # noqa: PLC0415  few calls need it

        terms, batch = read_arrow(body, schema, max_requests)
        return Call(terms, batch)
    return read_json(to_bytes(body), schema)


def read_json(body: bytes, schema: type[Terms]) -> Call[Terms]:
    """Return what a JSON body says; the schema has the last word on what is unusual."""
    try:
        with collection_paused():
            document = from_json(body, cache_strings="keys")
    except ValueError:
        document = None
    call = read_document(document, schema) if isinstance(document, dict) else None
    if call is not None:
        return call
    terms = parse(body, schema)
    return Call(terms, _batch_of(terms))


def read_document(document: Mapping[str, Any], schema: type[Terms]) -> Call[Terms] | None:
    """Return what a JSON object says; None where only the schema can say.

    A ProblemError, 422, has a pointer for each field that breaks the schema.
    """
    try:
        batch = _plain_batch(document)
    except NotPlainError:
        complaints_of(document, schema).refuse()
        return None
    columns = None if batch.by_row else FILLER
    rest = {**document, "requests": None, "columns": columns}
    return Call(parse(to_json(rest), schema), batch)


def _plain_batch(document: Mapping[str, Any]) -> Batch:
    rows, columns = document.get("requests"), document.get("columns")
    if isinstance(rows, list) and rows and columns is None:
        return batch_of_rows(rows)
    if isinstance(columns, dict) and rows is None:
        return batch_of_columns(columns)
    raise NotPlainError


def _batch_of(call: WithRequests) -> Batch:
    if call.requests is not None and call.columns is None:
        return Batch.from_rows(call.requests)
    if call.columns is not None and call.requests is None:
        return Batch.from_columns(call.columns)
    got = "neither" if call.requests is None else "both"
    raise invalid([FieldError("/requests", f"Expected either requests or columns, got {got}.")])
