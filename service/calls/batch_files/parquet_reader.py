"""Reads a Parquet file in a process of its own, since damaged pages can crash Arrow's decoder.

::

    footer -> rows, columns -> page headers -> texts as dictionaries, batch by batch -> values
    ------------ nothing of the size of what is stored ------------    within a limit

Texts are read as their dictionary and indices, so that a long one in every row is there once; what
they come to is counted before they are spelt out. Imports little: each file pays for it.
"""

from __future__ import annotations

import gc
import mmap
import multiprocessing
import os
import resource
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from service.calls.batch_files.parquet_sizes import (
    ParquetColumn,
    ParquetHead,
    ParquetLimits,
    ParquetRefusal,
    check_pages,
    check_rows,
)
from service.calls.batch_files.parquet_values import (
    in_plain_types,
    infinite_rows,
    is_json,
    may_count,
    text_bytes,
    values_of,
)

MAX_FOOTER_TEXT_BYTES = 16 * 1024**2
MAX_FOOTER_ENTRIES = 100_000
"""Columns, or row groups."""
_ROWS = 65_536
"""Rows at once."""
_BATCH_BYTES = 256 * 1024**2
"""Texts at once, where they cannot be read as a dictionary."""
OWN_FAULT = (
    "The reader of Parquet failed by a fault of its own ({}): report it, and write the file as CSV "
    "until it is mended."
)
_PREFIXED = frozenset({"DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"})
"""Encodings of which Arrow makes no dictionary."""


def serve(connection: Connection, limits: ParquetLimits) -> None:
    """Receive a file's descriptor, send its head, receive which columns are wanted, and send those.

    The connection is sent a `ParquetHead` and then the values by name as JSON; a
    `ParquetRefusal` in the place of either. Whoever wants no column closes the other end.
    """
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    gc.disable()
    _, maximum = resource.getrlimit(resource.RLIMIT_CPU)
    soft = limits.cpu_s if maximum == resource.RLIM_INFINITY else min(limits.cpu_s, maximum)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, maximum))
    # What Arrow says when it aborts is not for who reads the terminal.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        file = _File(_mapped(recv_handle(connection)), limits)
        connection.send(file.head())
        # Python's own way to send objects takes ten times as long.
        connection.send(orjson.dumps(file.values(connection.recv())))
    except EOFError:
        return
    except ParquetRefusal as refusal:
        connection.send(refusal)
    except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
        connection.send(ParquetRefusal(f"Expected Parquet, got: {error!s:.300}"))
    except Exception as error:
        connection.send(ParquetRefusal(OWN_FAULT.format(str(error)[:300] or "without a word")))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _mapped(descriptor: int) -> mmap.mmap:
    try:
        if os.fstat(descriptor).st_size == 0:
            raise ParquetRefusal("Expected Parquet, got an empty file.")
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


@dataclass
class _File:
    """A Parquet file that is read within limits."""

    data: mmap.mmap
    limits: ParquetLimits

    def __post_init__(self) -> None:
        self.opened = self._open()
        self._text_bytes = 0

    def head(self) -> ParquetHead:
        """Return what the footer says, where the rows are not too many."""
        check_rows(self.opened.metadata, self.limits)
        columns = [
            ParquetColumn(f.name, str(f.type), is_json(f.type), may_count(f.type))
            for f in self.opened.schema_arrow
        ]
        return ParquetHead(tuple(columns), self.opened.metadata.num_rows)

    def values(self, names: Sequence[str]) -> dict[str, list[Any]]:
        """Return the values of columns, None for null and for what is not a number."""
        schema = self.opened.schema
        leaves = [(index, schema.column(index)) for index in range(len(schema))]
        needed = {
            name: [(i, leaf) for i, leaf in leaves if f"{leaf.path}.".startswith(f"{name}.")]
            for name in dict.fromkeys(names)
        }
        check_pages(
            self.data,
            self.opened.metadata,
            [(i, name) for name, found in needed.items() for i, _ in found],
            self.limits,
        )
        return {name: self._column(name, found) for name, found in needed.items()}

    def _column(self, name: str, leaves: Sequence[tuple[int, pq.ColumnSchema]]) -> list[Any]:
        texts = [(i, leaf) for i, leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        spelt_out = [i for i, leaf in texts if self._is_spelt_out(i, leaf)]
        rows = min(map(self._rows_of_texts, spelt_out), default=_ROWS)
        file = self._open([leaf.path for i, leaf in texts if i not in spelt_out])
        values: list[Any] = []
        # Arrow cannot join the dictionaries that lists have in several row groups.
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(rows, [group], columns=[name], use_threads=False):
                column = batch.column(batch.schema.get_field_index(name))
                column.validate(full=True)
                self._check_texts(name, column)
                plain = in_plain_types(column)
                _check_finite(name, plain, len(values))
                values += values_of(plain)
        return values

    def _check_texts(self, name: str, column: pa.Array) -> None:
        self._text_bytes += text_bytes(column)
        if self._text_bytes > self.limits.held_bytes:
            raise ParquetRefusal(
                f"Expected at most {self.limits.held_bytes} bytes of text, each counted where it "
                "stands; got more.",
                name,
            )

    def _is_spelt_out(self, index: int, leaf: pq.ColumnSchema) -> bool:
        """Whether texts cannot be read as a dictionary; those in lists are read as nothing else."""
        return leaf.max_repetition_level == 0 and any(
            _PREFIXED & set(chunk.encodings) for chunk in self._chunks(index)
        )

    def _rows_of_texts(self, index: int) -> int:
        """Return how many rows are read at once, if each had the longest text there can be."""
        longest: int = max(chunk.total_uncompressed_size for chunk in self._chunks(index))
        return min(_ROWS, max(1, _BATCH_BYTES // max(1, longest)))

    def _chunks(self, index: int) -> Iterator[pq.ColumnChunkMetaData]:
        metadata = self.opened.metadata
        return (metadata.row_group(g).column(index) for g in range(metadata.num_row_groups))

    def _open(self, texts: Sequence[str] = ()) -> pq.ParquetFile:
        return pq.ParquetFile(
            pa.BufferReader(pa.py_buffer(self.data)),
            read_dictionary=list(texts),
            thrift_string_size_limit=MAX_FOOTER_TEXT_BYTES,
            thrift_container_size_limit=MAX_FOOTER_ENTRIES,
            page_checksum_verification=True,
        )


def _check_finite(name: str, column: pa.Array, before: int) -> None:
    """Refuse infinity, which JSON has not: it would be no limit where one was meant."""
    infinite = infinite_rows(column)
    if len(infinite):
        row = before + int(infinite.min()) + 1
        raise ParquetRefusal("Expected a finite number, got infinity.", name, row)
