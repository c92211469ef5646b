"""Calls as Arrow streams, for tests."""

import json
from typing import Any

import orjson
import pyarrow as pa

from service.calls.content import collect, to_bytes
from service.calls.messages import ARROW, JSON, Job, Reply
from service.calls.planner_service import PlannerService
from service.workers.process import answer
from tests.service.bodies import Json


def stream(
    columns: dict[str, Any] | pa.Table,
    terms: Json | str | None = None,
    *,
    compression: str | None = None,
    rows_of_a_batch: int | None = None,
) -> bytes:
    """Return columns, and the other terms of a call, as a stream."""
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    if terms is not None:
        text = terms if isinstance(terms, str) else json.dumps(terms)
        table = table.replace_schema_metadata({"jouleplan": text, "other": "is not read"})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows_of_a_batch)
    return bytes(sink.getvalue().to_pybytes())


def reply_to(service: PlannerService, body: bytes, accept: str = JSON, kind: Any = "plan") -> Reply:
    """Return the reply to a stream, without HTTP."""
    job = Job(kind, collect([body]), f"/{kind}", media_type=ARROW, accept=accept)
    return answer(service, job)


def json_of(reply: Reply) -> Json:
    """Return the body of a reply that is JSON."""
    document: Json = orjson.loads(to_bytes(reply.body))
    return document


def table_of(body: bytes) -> tuple[pa.Table, Json]:
    """Return the table of a stream and what its metadata say beside it."""
    table = pa.ipc.open_stream(body).read_all()
    table.validate(full=True)
    return table, orjson.loads(table.schema.metadata[b"jouleplan"])
