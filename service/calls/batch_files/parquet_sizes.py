"""Whether a Parquet file may be read, by its footer and the headers of its pages.

A constant column of a thousand million rows takes a kilobyte, and so does a text of a megabyte that
every row has: sizes are judged before anything of that size exists.

::

    ParquetRefusal    a file is not read; it knows the column, where it is one
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.calls.batch_files.parquet_pages import Data, read_pages

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MAX_NAMES = 256
"""Values of a list: names that a request may have."""


@dataclass(frozen=True)
class ParquetLimits:
    """The most that a Parquet file may come to.

    `values` are those of a column, each in a list counted. `held_bytes` are those of the
    columns needed, inflated, and of their texts, each counted where it stands. `cpu_s` is the
    processor's time for reading [s], at least 1: a damaged page may keep its decoder for ever.
    """

    rows: int = 1_000_000
    values: int = 16_000_000
    held_bytes: int = 512 * 1024**2
    cpu_s: int = 600


@dataclass(frozen=True)
class ParquetColumn:
    """What the footer says of a column: its name, and its type in Arrow's words.

    `is_json`: its values are numbers, text, or lists and structures of such. `may_count`: they
    are numbers or nothing.
    """

    name: str
    kind: str
    is_json: bool
    may_count: bool


@dataclass(frozen=True)
class ParquetHead:
    """What the footer says of a file: its columns in order, and its rows."""

    columns: tuple[ParquetColumn, ...]
    rows: int


class ParquetRefusal(Exception):  # noqa: N818  one process answers another by it
    """Raised where a file is not read: what was expected and found, and the column and row.

    Rows count from 1; column and row are None where it is no matter of one.
    """

    def __init__(self, detail: str, column: str | None = None, row: int | None = None) -> None:
        super().__init__(detail, column, row)
        self.detail, self.column, self.row = detail, column, row


def check_rows(metadata: pq.FileMetaData, limits: ParquetLimits) -> None:
    """Refuse a file of too many rows, or whose row groups contradict their sum: ParquetRefusal."""
    groups = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    if metadata.num_rows > limits.rows:
        raise ParquetRefusal(f"Expected at most {limits.rows} rows, got {metadata.num_rows}.")
    if min(groups, default=0) < 0 or sum(groups) != metadata.num_rows:
        raise ParquetRefusal("Expected Parquet, got row groups that contradict the count of rows.")


def check_pages(
    data: Data, metadata: pq.FileMetaData, leaves: Sequence[tuple[int, str]], limits: ParquetLimits
) -> None:
    """Refuse a file whose columns hold too much, or contradict the footer: ParquetRefusal.

    `leaves` are index and name of what is read of the file: of nested columns their leaves.
    """
    size = 0
    maximum = min(limits.values, MAX_NAMES * metadata.num_rows)
    for leaf, name in leaves:
        values = 0
        for chunk in _chunks(metadata, leaf):
            offsets = [at for at in (chunk.dictionary_page_offset, chunk.data_page_offset) if at]
            start = min(offsets, default=0)
            try:
                pages = read_pages(data, start, start + chunk.total_compressed_size)
                if pages.values != chunk.num_values:
                    raise ValueError("pages that contradict its count of values")
            except ValueError as error:
                raise ParquetRefusal(f"Expected Parquet, got {error}.", name) from None
            size += pages.uncompressed_bytes
            values += pages.values
        if values > maximum:
            raise ParquetRefusal(f"Expected at most {maximum} values, got {values}.", name)
        if size > limits.held_bytes:
            raise ParquetRefusal(
                f"Expected at most {limits.held_bytes} bytes in the columns needed, decompressed; "
                "got more here.",
                name,
            )


def _chunks(metadata: pq.FileMetaData, leaf: int) -> Iterator[pq.ColumnChunkMetaData]:
    for group in range(metadata.num_row_groups):
        yield metadata.row_group(group).column(leaf)
