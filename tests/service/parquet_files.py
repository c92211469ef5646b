"""Small Parquet files, written for tests."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

TOKENS = {"input_tokens": [472, 1087], "output_tokens": [18, 230]}
SMALL = {"id": ["a", "b"], **TOKENS, "llms": [["x"], ["y", "z"]]}


def written(columns: dict[str, object], **options: object) -> bytes:
    """Return columns as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, **options)
    return bytes(sink.getvalue())
