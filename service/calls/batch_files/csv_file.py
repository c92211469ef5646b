"""A batch as CSV: one row a request, with the columns of `columns` or of a known trace."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, Any

import orjson

from costmodel.decimal_commas import is_grouped, with_points
from costmodel.nearest import counted
from planner.result import PlanWarning
from service.calls.batch_files.batch_file import BatchFileError
from service.calls.batch_files.known_columns import known_count
from service.calls.batch_files.table import LISTS, NOTHING, Table, row_in_words
from service.number_texts import share_of

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

SEPARATORS = (",", ";", "\t", "|")
_TEXTS = ("id", *LISTS)
_COUNTS = ("input_tokens", "output_tokens", "choices")
_SHARES = ("min_quality",)
# What JSON would not take for a number and other writers write: `.5`, `5.`, `+5`, `007`.
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?", re.ASCII)
# The first line that spreadsheets write to say how they separate.
_SAID = "sep="


@dataclass
class _CsvRows:
    """The rows below a header that are not empty, and where each stands.

    `numbers` count as a spreadsheet does, with the header and empty rows; `lines` as an editor
    does, where a cell may have several.
    """

    cells: list[list[str]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def csv_table(
    text: str, renamed: Mapping[str, str], warnings: tuple[PlanWarning, ...] = ()
) -> Table:
    """Return the table of a CSV file.

    The first row names the columns. Cells are separated by a comma, a semicolon, a tab or a
    bar, as the first row shows. Rows of empty cells are left out. An empty cell, or what
    writers put there, is null. Names in `llms` and `pools` are joined by ``;``. A cell that
    begins with ``{`` or ``[`` is JSON. Where the separator is no comma, numbers with a decimal
    comma are read if the table leaves no doubt, and a count such as ``1.000`` is refused: who
    writes so may mean a thousand.

    `renamed` has their column for each of ours. A BatchFileError is raised where the text is no
    CSV, or has rows of another length or none.
    """
    first, _, after = text.partition("\n")
    said = first.strip().lower().startswith(_SAID)
    body = after if said else text
    separator = max(SEPARATORS, key=lambda sign: _fit(body, sign, renamed))
    try:
        names, rows = _read(body, separator, lines_before=int(said))
    except csv.Error as error:
        raise BatchFileError(f"Expected CSV, got: {error}.") from None

    def read(wanted: Mapping[int, str]) -> dict[int, list[Any]]:
        _even(rows, len(names))
        return _values(rows.cells, wanted, separator)

    return Table(names, read, rows.numbers, lines=rows.lines, warnings=warnings)


def _read(text: str, separator: str, lines_before: int) -> tuple[list[str], _CsvRows]:
    """Return the names of the columns, and the rows below them."""
    reader = _reader(text, separator)
    names: list[str] = []
    rows = _CsvRows()
    ended = 0
    for number, cells in enumerate(reader, start=1):
        line, ended = lines_before + ended + 1, reader.line_num
        if not any(map(str.strip, cells)):
            continue
        if not names:
            names = [name.strip() for name in cells]
            continue
        rows.cells.append(cells)
        rows.numbers.append(number)
        rows.lines.append(line)
    return names, rows


def _even(rows: _CsvRows, count: int) -> None:
    """Drop empty cells beyond the last column; refuse rows that are longer or shorter for good."""
    for cells, number, line in zip(rows.cells, rows.numbers, rows.lines, strict=True):
        while len(cells) > count and not cells[-1].strip():
            cells.pop()
        if len(cells) != count:
            where = row_in_words(number, line)
            raise BatchFileError(f"{where}: Expected {counted(count, 'cell')}, got {len(cells)}.")


def _fit(text: str, separator: str, renamed: Mapping[str, str]) -> tuple[int, int]:
    """Return how well a separator fits: columns that are known, then columns at all."""
    try:
        names: list[str] = next(filter(any, _reader(text, separator)), [])
    except csv.Error:
        return 0, 0
    return known_count(names, renamed), len(names)


def _reader(text: str, separator: str) -> CsvReader:
    return csv.reader(
        StringIO(text, newline=""),
        delimiter=separator,
        strict=True,
        skipinitialspace=separator != "\t",
    )


def _values(
    rows: Sequence[Sequence[str]], wanted: Mapping[int, str], separator: str
) -> dict[int, list[Any]]:
    """Return the values of columns, by their indices, which are given with our names."""
    columns = {index: [row[index] for row in rows] for index in wanted}
    if separator != ",":
        numbers = {index: cells for index, cells in columns.items() if wanted[index] not in _TEXTS}
        columns |= with_points(numbers)
    return {
        index: list(map(_value_of(wanted[index], separator), cells))
        for index, cells in columns.items()
    }


def _value_of(name: str, separator: str) -> Callable[[str], Any]:
    if name in _TEXTS:
        return str
    if name in _SHARES:
        return _share
    return _count if name in _COUNTS and separator != "," else _number


def _count(cell: str) -> object:
    return cell if is_grouped(cell) else _number(cell)


def _share(cell: str) -> object:
    """Return a share, as a number or in per cent.

    Examples
    --------
    >>> _share("0.7"), _share("70 %"), _share("67.5%"), _share("much")
    (0.7, 0.7, 0.675, 'much')
    """
    share = share_of(cell)
    return _number(cell) if share is None else share


def _number(cell: str) -> object:
    """Return what a cell says, the cell itself where the schema is to refuse it.

    Examples
    --------
    >>> [_number(cell) for cell in ("12", " 0.5 ", "", "many", '{"p50": 10, "p90": 40}', "NaN")]
    [12, 0.5, None, 'many', {'p50': 10, 'p90': 40}, None]
    >>> [_number(cell) for cell in (".5", "5.", "+5", "007", "1e999", "1_000")]
    [0.5, 5.0, 5.0, 7.0, '1e999', '1_000']
    """
    text = cell.strip()
    if text.lower() in NOTHING:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return float(text) if _NUMBER.fullmatch(text) else cell
