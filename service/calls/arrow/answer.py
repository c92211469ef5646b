"""Answers as Arrow IPC streams: what there is of each request is the table, all else metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from costmodel.arrays import BoolArray
from service.calls.arrow.call import TERMS_KEY
from service.calls.assignments import Column

ROWS_A_BATCH = 65536
"""Rows of a record batch."""

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
    """Yield the answer of `/plan` as a stream, a record batch of `SCHEMA` at a time.

    `answer` is all but the assignments, a JSON object.
    """

    def batch(rows: slice) -> list[pa.Array]:
        return [_array(columns[field.name][rows], field.type) for field in SCHEMA]

    return _stream(SCHEMA.with_metadata({TERMS_KEY: answer}), len(columns["id"]), batch)


def matrix_chunks(
    answer: bytes, matrices: Mapping[str, npt.NDArray[Any]], eligible: BoolArray
) -> Iterator[bytes]:
    """Yield the answer of `/predict` as a stream: each matrix is a column of lists, one a request.

    `answer` is all but the matrices, a JSON object. Matrices and `eligible` have the shape (n,
    k); there is no value where a request is not eligible, nor where one is not a number.
    """
    n, k = eligible.shape
    kinds = {
        name: pa.list_(pa.bool_() if matrix.dtype == bool else pa.float64(), k)
        for name, matrix in matrices.items()
    }
    schema = pa.schema(kinds.items()).with_metadata({TERMS_KEY: answer})

    def batch(rows: slice) -> list[pa.Array]:
        return [
            pa.FixedSizeListArray.from_arrays(
                pa.array(
                    matrix[rows].ravel(),
                    mask=~eligible[rows].ravel(),
                    from_pandas=matrix.dtype != bool,
                ),
                type=kinds[name],
            )
            for name, matrix in matrices.items()
        ]

    return _stream(schema, n, batch)


def _stream(schema: pa.Schema, n: int, batch: Callable[[slice], list[pa.Array]]) -> Iterator[bytes]:
    sink = _Sink()
    with pa.ipc.new_stream(sink, schema) as writer:
        for start in range(0, n, ROWS_A_BATCH):
            arrays = batch(slice(start, start + ROWS_A_BATCH))
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            yield sink.taken()
    yield sink.taken()


class _Sink:
    """A file for pyarrow that keeps what was written until it is taken."""

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
