"""A batch as Parquet: one row a request, with the columns of `columns`."""

from __future__ import annotations

from collections.abc import Mapping

from service.batch_files.batch_file import BatchFile, BatchFileError
from service.batch_files.known_columns import recognise
from service.batch_files.table import batch_of

_OF_PANDAS = "__index_level_"


def read_parquet(data: bytes, renamed: Mapping[str, str] | None = None) -> BatchFile:
    """Return the batch; an index that pandas wrote beside the columns is left out.

    Raises
    ------
    BatchFileError
        Where it is not Parquet or has unknown columns or types that JSON has not.
    """
    import pyarrow as pa  # noqa: PLC0415  large, and only needed here
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(pa.BufferReader(data))
    except pa.ArrowException as error:
        raise BatchFileError(f"Expected Parquet, got: {error}") from None
    names = [name for name in table.column_names if not name.startswith(_OF_PANDAS)]
    recognised = recognise(names, renamed or {})
    for index in recognised.origin.values():
        got = table.schema.field(names[index]).type
        if not _is_json(got):
            name = names[index]
            raise BatchFileError(f"column {name}: Expected numbers, text or lists, got {got}.")

    def column(index: int) -> list[object]:
        return [_or_null(value) for value in table.column(names[index]).to_pylist()]

    return batch_of(names, column, recognised, range(1, table.num_rows + 1))


def _or_null(value: object) -> object:
    """Return a value, None for what is not a number: pandas has no other null among floats."""
    return None if value != value else value  # noqa: PLR0124  what is not a number is unequal


def _is_json(kind: object) -> bool:
    """Whether values of an Arrow type are numbers, text, or lists and structures of such."""
    from pyarrow import types  # noqa: PLC0415

    if types.is_dictionary(kind):
        return _is_json(kind.value_type)  # type: ignore[attr-defined]
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_json(kind.value_type)  # type: ignore[attr-defined]
    if types.is_struct(kind):
        return all(_is_json(field.type) for field in kind)  # type: ignore[attr-defined]
    tests = (types.is_integer, types.is_floating, types.is_string, types.is_large_string)
    return types.is_null(kind) or any(test(kind) for test in tests)
