"""A batch as Parquet: one row a request, with the columns of `columns`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from costmodel.nearest import shown
from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.parquet_process import OpenFile, ParquetProcess
from service.calls.batch_files.parquet_sizes import ParquetColumn, ParquetLimits, ParquetRefusal
from service.calls.batch_files.table import Table, batch_of

_OF_PANDAS = "__index_level_"


def read_parquet(file: OpenFile, renamed: Mapping[str, str], limits: ParquetLimits) -> BatchFile:
    """Return the batch; an index that pandas wrote beside the columns is left out.

    A BatchFileError is raised where the file is not Parquet, is so damaged that its reader
    crashes, is larger than the limits, or has unknown columns or types that JSON has not.
    """
    try:
        with ParquetProcess(file, limits) as process:
            return batch_of(_table(process), renamed)
    except ParquetRefusal as refusal:
        raise BatchFileError(_in_words(refusal)) from None


def _table(process: ParquetProcess) -> Table:
    head = process.head()
    columns = [column for column in head.columns if not column.name.startswith(_OF_PANDAS)]
    names = [column.name for column in columns]

    def read(wanted: Mapping[int, str]) -> dict[int, Sequence[Any]]:
        # A column without a name is looked at only for whether it counts the rows.
        asked = [i for i, ours in wanted.items() if ours or _may_count(columns[i], names)]
        for index in asked:
            _check(columns[index], names)
        values = process.values([names[index] for index in asked])
        return {index: values.get(names[index], ("",)) for index in wanted}

    return Table(names, read, range(1, head.rows + 1))


def _may_count(column: ParquetColumn, names: Sequence[str]) -> bool:
    return column.may_count and names.count(column.name) == 1


def _check(column: ParquetColumn, names: Sequence[str]) -> None:
    """Refuse a column that stands twice, or whose values JSON has not."""
    if names.count(column.name) > 1:
        raise BatchFileError(f"Expected each column once, got {shown(column.name)} twice.")
    if not column.is_json:
        raise BatchFileError(
            f"column {shown(column.name)}: Expected numbers, text or lists, got {column.kind}."
        )


def _in_words(refusal: ParquetRefusal) -> str:
    place = "" if refusal.row is None else f"row {refusal.row}, "
    if refusal.column is not None:
        place += f"column {shown(refusal.column)}: "
    return place + refusal.detail
