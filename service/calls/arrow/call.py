"""A call as an Arrow IPC stream: its requests are the table, all else is JSON in the metadata.

What comes from outside is checked before it is believed: the stream by Arrow's own validation
(offsets, lengths, dictionary indices, UTF-8), the columns by the schema of `columns`.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pydantic_core import from_json, to_json

from service.calls.arrow.columns import batch_of_table
from service.calls.batch import Batch
from service.calls.content import Content
from service.calls.plain_columns import FILLER
from service.calls.schema_complaints import complain
from service.calls.schemas.requests import RequestColumns
from service.calls.validation import Schema, parse
from service.problems import Complaints, FieldError, Problem, ProblemError

TERMS_KEY = b"jouleplan"
"""Key of the schema's metadata under which the rest of a call, or of an answer, is JSON."""

END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def read_arrow(body: Content, schema: type[Schema], max_requests: int) -> tuple[Schema, Batch]:
    """Return the terms and the requests of an Arrow stream.

    A ProblemError has the status 413 where the stream has more than `max_requests` rows, and
    422 where it is no Arrow stream, or with a pointer for each field that breaks the schema.
    """
    try:
        table = _table(body, max_requests)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _malformed(str(error)) from None
    terms = _terms(table.schema.metadata or {})
    document = {**terms, "columns": _outline(table)}
    found = Complaints()
    complain(found, schema, document)
    batch = batch_of_table(table, found)
    if batch is None:
        raise found.refusal()
    return parse(to_json(document), schema), batch


def _table(body: Content, max_requests: int) -> pa.Table:
    """Return a stream's table, fully validated, without a copy of what was not compressed."""
    memory = body if isinstance(body, bytes) else body.mapped()
    if memory[-len(END_OF_STREAM) :] != END_OF_STREAM:
        # Without it a stream that was cut between two batches would be read as a shorter one.
        raise _malformed("it has no end-of-stream mark at its end")
    buffer = pa.py_buffer(memory)
    options = pa.ipc.IpcReadOptions(use_threads=False)
    batches, rows = [], 0
    with pa.ipc.open_stream(buffer, options=options) as reader:
        for batch in reader:
            rows += batch.num_rows
            if rows > max_requests:
                message = f"Expected at most {max_requests} requests, got {rows} or more."
                raise ProblemError(Problem("too-large", message, [FieldError("", message)]))
            batch.validate(full=True)
            batches.append(batch)
        table = pa.Table.from_batches(batches, reader.schema)
    table.validate(full=True)
    return table


def _terms(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """Return what the metadata say beside the requests."""
    text = metadata.get(TERMS_KEY, b"{}")
    try:
        terms = from_json(text)
    except ValueError as error:
        raise _malformed(f"the metadata key {TERMS_KEY.decode()} is not JSON: {error}") from None
    if not isinstance(terms, dict):
        raise _malformed(f"the metadata key {TERMS_KEY.decode()} is JSON, but not an object")
    double = [name for name in ("requests", "columns") if terms.get(name) is not None]
    if double:
        message = "Expected the requests in the table only, got some in the metadata too."
        raise ProblemError(
            Problem("invalid-request", message, [FieldError(f"/{double[0]}", message)])
        )
    return terms


def _outline(table: pa.Table) -> dict[str, Any]:
    """Return columns that break the schema where the names or the length of the table's do."""
    names = dict.fromkeys(table.column_names)
    columns = {
        name: FILLER.get(name) if name in RequestColumns.model_fields else 0 for name in names
    }
    if table.num_rows == 0:
        columns |= {name: [] for name in FILLER if name in names}
    return columns


def _malformed(detail: str) -> ProblemError:
    message = f"Expected an Arrow IPC stream, got one that cannot be read: {detail:.300}"
    return ProblemError(Problem("malformed-arrow", message, [FieldError("", message)]))
