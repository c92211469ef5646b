"""A batch from a table of somebody's columns: which of them count, and where each row stood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.batch_files.batch_file import BatchFile, BatchFileError
from service.batch_files.known_columns import Recognised
from service.planning.result import PlanWarning
from service.problems import pointer

Column = Sequence[Any]
LISTS = ("llms", "pools")
NAMES_SEPARATOR = ";"
NOTHING = frozenset({"", "nan", "na", "n/a", "none", "null"})
"""What writers of tables put where there is nothing, in lower case."""


def batch_of(
    names: Sequence[str],
    column: Callable[[int], Column],
    recognised: Recognised,
    numbers: Sequence[int],
    word: str = "row",
) -> BatchFile:
    """Return the batch of a table.

    Parameters
    ----------
    names
        Of its columns, as the file has them.
    column
        Returns the values of a column by its index, each shape (n,).
    recognised
        Which of the columns are which of a batch.
    numbers
        Where in the file each row stands, from 1, shape (n,).
    word
        What the file calls a row.

    Raises
    ------
    BatchFileError
        Where no row is left.
    """
    columns = {ours: column(index) for ours, index in recognised.origin.items()}
    warnings = [*recognised.warnings, *_unnamed(column, recognised)]
    kept: Sequence[int] = range(len(numbers))
    if recognised.layout is not None:
        kept, told = _answered(columns["output_tokens"], numbers, word)
        warnings += told
    if not kept:
        raise BatchFileError("Expected at least one row.")
    if len(kept) < len(numbers):
        columns = {name: [values[index] for index in kept] for name, values in columns.items()}
    if "id" in columns:
        columns["id"] = [_id(value, index) for index, value in enumerate(columns["id"])]
    for name in LISTS:
        if name in columns:
            columns[name] = [_names(v) if isinstance(v, str) else v for v in columns[name]]
    theirs = {ours: names[index] for ours, index in recognised.origin.items()}

    places = _Places(theirs, [numbers[index] for index in kept], word)
    return BatchFile(
        {"columns": columns}, places.in_words, tuple(warnings), pointer=places.as_pointer
    )


@dataclass(frozen=True)
class _Places:
    """Where in a file the entries of its columns stand.

    Attributes
    ----------
    theirs
        The file's name of each of our columns.
    numbers
        Of the row that each request is from.
    word
        What the file calls a row.
    """

    theirs: Mapping[str, str]
    numbers: Sequence[int]
    word: str

    def in_words(self, where: str) -> str:
        name, number = self._found(where)
        if not name:
            return where
        return f"column {name}" if number is None else f"{self.word} {number}, column {name}"

    def as_pointer(self, where: str) -> str:
        name, number = self._found(where)
        return where if number is None else pointer("lines", number, name)

    def _found(self, where: str) -> tuple[str, int | None]:
        """Return the file's column that a pointer leads into, and the row."""
        parts = where.split("/")
        if parts[1:2] != ["columns"] or len(parts) < 3:
            return "", None
        is_row = len(parts) > 3 and parts[3].isdecimal()
        name = self.theirs.get(parts[2], parts[2])
        return name, self.numbers[int(parts[3])] if is_row else None


def _answered(
    output_tokens: Column, numbers: Sequence[int], word: str
) -> tuple[list[int], list[PlanWarning]]:
    """Return the rows of a trace that got an answer: what failed asks for no plan."""
    kept = [index for index, tokens in enumerate(output_tokens) if not _is_zero(tokens)]
    left = len(output_tokens) - len(kept)
    if not left:
        return kept, []
    first = next(index for index, tokens in enumerate(output_tokens) if _is_zero(tokens))
    message = (
        f"{left} requests without an output token, which failed, are left out; the first is "
        f"{word} {numbers[first]}."
    )
    return kept, [PlanWarning("rows_left_out", message)]


def _is_zero(tokens: object) -> bool:
    return isinstance(tokens, int | float) and not isinstance(tokens, bool) and tokens == 0


def _unnamed(column: Callable[[int], Column], recognised: Recognised) -> list[PlanWarning]:
    """Return a warning where a column without a name is no index that was counted up."""
    told = [index for index in recognised.unnamed if not _counts_up(column(index))]
    if not told:
        return []
    message = f"Not used, for want of a name: column {', '.join(str(i + 1) for i in told)}."
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


def transposed(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], Callable[[int], Column]]:
    """Return the names that occur in rows, in order, and what returns the values of one."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, lambda index: [row.get(names[index]) for row in rows]
