"""A plan as an Arrow IPC stream: the assignments are the table, all else JSON in the metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from service.calls.arrow.call import TERMS_KEY
from service.calls.assignments import Column

#: Rows of a record batch.
BLOCK = 65536

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("placement", pa.int32(), nullable=False),
        pa.field("device_index", pa.int32(), nullable=False),
        pa.field("start_seconds", pa.float64(), nullable=False),
        pa.field("energy_joules", pa.float64(), nullable=False),
        pa.field("runtime_seconds", pa.float64(), nullable=False),
        pa.field("extrapolated", pa.bool_(), nullable=False),
    ]
)


def arrow_chunks(answer: bytes, columns: Mapping[str, Column]) -> Iterator[bytes]:
    """Yield an answer as a stream, a record batch at a time.

    Parameters
    ----------
    answer
        All but the assignments, a JSON object.
    columns
        Those of `SCHEMA`, each of n entries.
    """
    schema = SCHEMA.with_metadata({TERMS_KEY: answer})
    sink = _Sink()
    n = len(columns["id"])
    with pa.ipc.new_stream(sink, schema) as writer:
        for start in range(0, n, BLOCK):
            arrays = [
                _array(columns[field.name][start : start + BLOCK], field.type) for field in schema
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            yield sink.taken()
    yield sink.taken()


class _Sink:
    """What is written and not yet taken, as pyarrow writes to it."""

    closed = False

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Hold nothing back."""

    def close(self) -> None:
        """Nothing needs to be closed."""

    def taken(self) -> bytes:
        found, self._chunks = b"".join(self._chunks), []
        return found


def _array(values: Column, kind: pa.DataType) -> pa.Array:
    if isinstance(values, np.ndarray):
        return pa.array(np.ascontiguousarray(values)).cast(kind)
    texts: Sequence[str] = values
    return pa.array(texts, type=kind)
