"""A batch as Parquet: one row a request, with the columns of `columns`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from costmodel.nearest import shown
from service.batch_files.batch_file import BatchFile, BatchFileError
from service.batch_files.known_columns import recognise
from service.batch_files.parquet_process import OpenFile, ParquetHead, ParquetProcess
from service.batch_files.parquet_sizes import Limits, ParquetRefusal
from service.batch_files.table import batch_of

_OF_PANDAS = "__index_level_"


def read_parquet(
    file: OpenFile, renamed: Mapping[str, str] | None = None, limits: Limits | None = None
) -> BatchFile:
    """Return the batch; an index that pandas wrote beside the columns is left out.

    Raises
    ------
    BatchFileError
        Where it is not Parquet, is so damaged that its reader crashes, is larger than the limits,
        or has unknown columns or types that JSON has not.
    """
    try:
        with ParquetProcess(file, limits or Limits()) as process:
            return _read(process, renamed or {})
    except ParquetRefusal as refusal:
        raise BatchFileError(_in_words(refusal)) from None


def _read(process: ParquetProcess, renamed: Mapping[str, str]) -> BatchFile:
    head = process.head()
    names = [column.name for column in head.columns if not column.name.startswith(_OF_PANDAS)]
    recognised = recognise(names, renamed)
    needed = [names[index] for index in recognised.origin.values()]
    _check(head, needed)
    # A column without a name is looked at only for whether it counts the rows.
    unnamed = {names[index] for index in recognised.unnamed if names.count(names[index]) == 1}
    counting = [column.name for column in head.columns if column.may_count]
    values = process.values([*needed, *(name for name in counting if name in unnamed)])

    def column(index: int) -> Sequence[Any]:
        return values.get(names[index], ("",))

    return batch_of(names, column, recognised, range(1, head.rows + 1))


def _check(head: ParquetHead, needed: Sequence[str]) -> None:
    """Refuse columns that stand twice, or whose values JSON has not."""
    for name in needed:
        found = [column for column in head.columns if column.name == name]
        if len(found) > 1:
            raise BatchFileError(f"Expected each column once, got {shown(name)} twice.")
        if not found[0].is_json:
            got = found[0].kind
            raise BatchFileError(f"column {name}: Expected numbers, text or lists, got {got}.")


def _in_words(refusal: ParquetRefusal) -> str:
    place = "" if refusal.row is None else f"row {refusal.row}, "
    if refusal.column is not None:
        place += f"column {shown(refusal.column)}: "
    return place + refusal.detail
