"""A batch from a table of somebody's columns: which of them count, and where each row stood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from costmodel.nearest import counted
from planner.result import PlanWarning
from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.known_columns import RecognisedColumns, recognise
from service.problems import pointer
from service.wording import COMMAND, Spelling

Column = Sequence[Any]
LISTS = ("llms", "pools")
NAMES_SEPARATOR = ";"
NOTHING = frozenset({"", "nan", "na", "n/a", "none", "null"})
"""What writers of tables put where there is nothing, in lower case."""


@dataclass(frozen=True)
class Table:
    """A table as a file has it.

    `read` returns the values of columns, shape (n,), by their indices; it is given these with
    our names of them, "" of those that are only looked at. `numbers`, shape (n,), say where in
    the file each row stands, from 1, and `lines` where an editor shows it, where that may be
    elsewhere. `word` is what the file calls a row.
    """

    names: Sequence[str]
    read: Callable[[Mapping[int, str]], Mapping[int, Column]]
    numbers: Sequence[int]
    word: str = "row"
    lines: Sequence[int] | None = None
    warnings: tuple[PlanWarning, ...] = ()

    def where(self, index: int) -> str:
        """Return where a row stands, in words."""
        number = self.numbers[index]
        return row_in_words(number, number if self.lines is None else self.lines[index], self.word)


def row_in_words(number: int, line: int, word: str = "row") -> str:
    """Return where a row stands for who opens the file in a spreadsheet, and in an editor.

    Examples
    --------
    >>> row_in_words(3, 3), row_in_words(3, 5)
    ('row 3', 'row 3 (line 5)')
    """
    return f"{word} {number}" if line == number else f"{word} {number} (line {line})"


def table_of_rows(
    rows: Sequence[Mapping[str, Any]], numbers: Sequence[int], word: str = "row"
) -> Table:
    """Return the table of rows that name their cells; what one has not is null."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def read(wanted: Mapping[int, str]) -> dict[int, Column]:
        return {index: [row.get(names[index]) for row in rows] for index in wanted}

    return Table(names, read, numbers, word)


def batch_of(table: Table, renamed: Mapping[str, str], spelling: Spelling = COMMAND) -> BatchFile:
    """Return the batch of a table of somebody's columns.

    `renamed` has their column for each of ours that the caller named, and `spelling` how the
    caller would name one. A BatchFileError is raised where a column is unknown or missing, or
    no row is left.
    """
    recognised = recognise(table.names, renamed, spelling)
    if not table.numbers:
        raise BatchFileError("Expected at least one row below the names of the columns.")
    wanted = dict.fromkeys(recognised.unnamed, "")
    wanted |= {index: ours for ours, index in recognised.origin.items()}
    read = table.read(wanted)
    columns = {ours: read[index] for ours, index in recognised.origin.items()}
    warnings = [*table.warnings, *recognised.warnings, *_unnamed(read, recognised)]
    kept: Sequence[int] = range(len(table.numbers))
    if recognised.layout is not None:
        kept, warned = _answered(columns["output_tokens"], table)
        warnings += warned
    if not kept:
        raise BatchFileError("Expected at least one row.")
    if len(kept) < len(table.numbers):
        columns = {name: [values[index] for index in kept] for name, values in columns.items()}
    if "id" in columns:
        columns["id"] = [_id(value, index) for index, value in enumerate(columns["id"])]
    for name in LISTS:
        if name in columns:
            columns[name] = [_names(v) if isinstance(v, str) else v for v in columns[name]]
    theirs = {ours: table.names[index] for ours, index in recognised.origin.items()}
    places = _RowPlaces(theirs, table, kept)
    return BatchFile(
        {"columns": columns},
        places.in_words,
        places.request,
        tuple(warnings),
        pointer=places.as_pointer,
    )


@dataclass(frozen=True)
class _RowPlaces:
    """Where in a file the entries of its columns stand.

    `theirs` has the file's name of each of our columns, and `kept` the file's row of each
    request.
    """

    theirs: Mapping[str, str]
    table: Table
    kept: Sequence[int]

    def in_words(self, where: str) -> str:
        name, row = self._found(where)
        if not name:
            return where
        return f"column {name}" if row is None else f"{self.table.where(row)}, column {name}"

    def request(self, where: str) -> str:
        _, row = self._found(where)
        return where if row is None else self.table.where(row)

    def as_pointer(self, where: str) -> str:
        name, row = self._found(where)
        return where if row is None else pointer("lines", self.table.numbers[row], name)

    def _found(self, where: str) -> tuple[str, int | None]:
        """Return the file's column that a pointer leads into, and the row."""
        parts = where.split("/")
        if parts[1:2] != ["columns"] or len(parts) < 3:
            return "", None
        is_row = len(parts) > 3 and parts[3].isdecimal()
        name = self.theirs.get(parts[2], parts[2])
        return name, self.kept[int(parts[3])] if is_row else None


def _answered(output_tokens: Column, table: Table) -> tuple[list[int], list[PlanWarning]]:
    """Return the rows of a trace that got an answer: what failed asks for no plan."""
    kept = [index for index, tokens in enumerate(output_tokens) if not _is_zero(tokens)]
    left = len(output_tokens) - len(kept)
    if not left:
        return kept, []
    first = next(index for index, tokens in enumerate(output_tokens) if _is_zero(tokens))
    message = (
        f"Without an output token, failed and left out: {counted(left, 'request')}; the first is "
        f"{table.where(first)}."
    )
    return kept, [PlanWarning("rows_left_out", message)]


def _is_zero(tokens: object) -> bool:
    return isinstance(tokens, int | float) and not isinstance(tokens, bool) and tokens == 0


def _unnamed(read: Mapping[int, Column], recognised: RecognisedColumns) -> list[PlanWarning]:
    """Return a warning where a column without a name is no index that was counted up."""
    warned = [index for index in recognised.unnamed if not _counts_up(read[index])]
    if not warned:
        return []
    message = f"Not used, for want of a name: column {', '.join(str(i + 1) for i in warned)}."
    return [PlanWarning("columns_not_used", message)]


def _counts_up(values: Column) -> bool:
    if all(value is None for value in values):
        return True
    first = values[0]
    return isinstance(first, int | float) and all(
        value == first + index for index, value in enumerate(values)
    )


def _id(value: Any, index: int) -> Any:  # noqa: ANN401  of whatever a file holds
    """Return the id of a request as text: numbers are ids too, and what has none counts."""
    if value is None:
        return str(index)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _names(cell: str) -> list[str] | None:
    """Return the names in a cell, as we write them, or as JSON or Python write lists.

    Examples
    --------
    >>> _names("a; b"), _names('["a", "b"]'), _names("['a', 'b']"), _names(" ")
    (['a', 'b'], ['a', 'b'], ['a', 'b'], None)
    """
    text = cell.strip()
    if text.lower() in NOTHING:
        return None
    if text.startswith("[") and text.endswith("]"):
        return [name.strip().strip("'\"") for name in text[1:-1].split(",")]
    return [name.strip() for name in text.split(NAMES_SEPARATOR)]
