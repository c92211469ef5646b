"""A batch as Parquet: one row a request, with the columns of `columns`.

::

    footer -> rows, columns -> page headers -> texts as dictionaries, batch by batch -> values
    ------------ nothing of the size of what is stored ------------    within a limit

Texts are read as their dictionary and indices, so that a long one in every row is there once; what
they come to is counted before they are spelt out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from costmodel.nearest import shown
from service.batch_files.batch_file import BatchFile, BatchFileError
from service.batch_files.known_columns import recognise
from service.batch_files.parquet_sizes import Limits, check_pages, check_rows
from service.batch_files.table import batch_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_OF_PANDAS = "__index_level_"
MAX_FOOTER_TEXT_BYTES = 16 * 1024**2
MAX_FOOTER_ENTRIES = 100_000
"""Columns, or row groups."""
_ROWS = 65_536
"""Rows at once."""
_BATCH_BYTES = 256 * 1024**2
"""Texts at once, where they cannot be read as a dictionary."""
_PREFIXED = frozenset({"DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"})
"""Encodings of which Arrow makes no dictionary."""


def read_parquet(
    data: bytes, renamed: Mapping[str, str] | None = None, limits: Limits | None = None
) -> BatchFile:
    """Return the batch; an index that pandas wrote beside the columns is left out.

    Raises
    ------
    BatchFileError
        Where it is not Parquet, is larger than the limits, or has unknown columns or types that
        JSON has not.
    """
    import pyarrow as pa  # noqa: PLC0415  large, and only needed here

    try:
        return _read(_File(data, limits or Limits()), renamed or {})
    except (pa.ArrowException, OSError, MemoryError, UnicodeError) as error:
        raise BatchFileError(f"Expected Parquet, got: {error!s:.300}") from None


def _read(file: _File, renamed: Mapping[str, str]) -> BatchFile:
    schema = file.opened.schema_arrow
    check_rows(file.opened.metadata, file.limits)
    names = [name for name in schema.names if not name.startswith(_OF_PANDAS)]
    recognised = recognise(names, renamed)
    needed = [names[index] for index in recognised.origin.values()]
    for name in needed:
        if names.count(name) > 1:
            raise BatchFileError(f"Expected each column once, got {shown(name)} twice.")
        got = schema.field(name).type
        if not _is_json(got):
            raise BatchFileError(f"column {name}: Expected numbers, text or lists, got {got}.")
    # A column without a name is looked at only for whether it counts the rows.
    counting = {
        names[index]
        for index in recognised.unnamed
        if names.count(names[index]) == 1 and _may_count(schema.field(names[index]).type)
    }
    values = file.values([*needed, *counting])

    def column(index: int) -> Sequence[object]:
        return values.get(names[index], ("",))

    return batch_of(names, column, recognised, range(1, file.opened.metadata.num_rows + 1))


@dataclass
class _File:
    """A Parquet file that is read within limits."""

    data: bytes
    limits: Limits

    def __post_init__(self) -> None:
        self.opened = self._open()
        self._text_bytes = 0

    def values(self, names: Sequence[str]) -> dict[str, list[object]]:
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
        return {name: list(self._column(name, found)) for name, found in needed.items()}

    def _column(self, name: str, leaves: Sequence[tuple[int, pq.ColumnSchema]]) -> Iterator[object]:
        texts = [(i, leaf) for i, leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        spelt_out = [i for i, leaf in texts if self._is_spelt_out(i, leaf)]
        rows = min(map(self._rows_of_texts, spelt_out), default=_ROWS)
        file = self._open([leaf.path for i, leaf in texts if i not in spelt_out])
        # Arrow cannot join the dictionaries that lists have in several row groups.
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(rows, [group], columns=[name], use_threads=False):
                column = batch.column(batch.schema.get_field_index(name))
                self._check_texts(name, column)
                if hasattr(column, "dictionary_decode"):
                    column = column.dictionary_decode()
                yield from map(_plain, column.to_pylist())

    def _check_texts(self, name: str, column: pa.Array) -> None:
        column.validate(full=True)
        self._text_bytes += _text_bytes(column)
        if self._text_bytes > self.limits.held_bytes:
            raise BatchFileError(
                f"column {shown(name)}: Expected at most {self.limits.held_bytes} bytes of text, "
                "each counted where it stands; got more."
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
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        return pq.ParquetFile(
            pa.BufferReader(self.data),
            read_dictionary=list(texts),
            thrift_string_size_limit=MAX_FOOTER_TEXT_BYTES,
            thrift_container_size_limit=MAX_FOOTER_ENTRIES,
        )


def _text_bytes(column: pa.Array) -> int:
    """Return the bytes of the texts in a column, as often as they stand in it."""
    import pyarrow.compute as pc  # noqa: PLC0415
    from pyarrow import types  # noqa: PLC0415

    kind = column.type
    if types.is_dictionary(kind):
        if not _is_text(kind.value_type):
            return 0
        lengths = pc.binary_length(column.dictionary).cast("int64")
        return pc.sum(lengths.take(column.indices)).as_py() or 0
    if _is_text(kind):
        return pc.sum(pc.binary_length(column).cast("int64")).as_py() or 0
    if types.is_list(kind) or types.is_large_list(kind):
        return _text_bytes(column.flatten())
    if types.is_struct(kind):
        return sum(_text_bytes(child) for child in column.flatten())
    return 0


def _plain(value: object) -> object:
    """Return a value as JSON has it: sums of integers are decimals where databases write them.

    What is not a number is None: pandas has no other null among floats.
    """
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return None if value != value else value  # noqa: PLR0124  what is not a number is unequal


def _is_text(kind: Any) -> bool:  # noqa: ANN401  a type of Arrow
    from pyarrow import types  # noqa: PLC0415

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _may_count(kind: object) -> bool:
    """Whether values of an Arrow type are numbers or nothing."""
    from pyarrow import types  # noqa: PLC0415

    numbers = (types.is_integer, types.is_floating, types.is_decimal)
    return any(test(kind) for test in (*numbers, types.is_null))


def _is_json(kind: object) -> bool:
    """Whether values of an Arrow type are numbers, text, or lists and structures of such."""
    from pyarrow import types  # noqa: PLC0415

    if types.is_dictionary(kind):
        return _is_json(kind.value_type)  # type: ignore[attr-defined]
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_json(kind.value_type)  # type: ignore[attr-defined]
    if types.is_struct(kind):
        return all(_is_json(field.type) for field in kind)  # type: ignore[attr-defined]
    return _may_count(kind) or _is_text(kind)
