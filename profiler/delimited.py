"""Tables of text in files: any separator, encoding and ends of lines, to rows of cells."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from costmodel.decimal_commas import with_points
from costmodel.encodings import decoded
from costmodel.files import open_input
from profiler.errors import ObservationError

SEPARATORS = ",;\t|"
_STATED = re.compile(r"[\r\n]*sep=([,;\t|])\r?\n")
"""A first line that states the separator for spreadsheets."""
_JSON = re.compile(r"\s*(?:\{|\[\s*[\[{])")
MARK = "#"
"""Begins the lines of `nvidia-smi dmon` that are no readings: its header, and that of the units."""
MAX_CELL = 60
"""Characters of a row or a cell that are shown."""
UNNAMED = ""
"""Column of the cells under no name, where there is one such column."""

Rows = list[tuple[int, dict[str, str]]]


def _no_torn(line: int) -> bool:
    return False


def _no_quantities(names: Sequence[str]) -> Collection[str]:
    return ()


def read_table(
    path: Path,
    quantities: Callable[[Sequence[str]], Collection[str]] = _no_quantities,
    torn: Callable[[int], bool] = _no_torn,
) -> tuple[list[str], Rows]:
    """Read a table with a header into rows of text.

    Parameters
    ----------
    path
        File in UTF-8, UTF-16, UTF-32 or Windows-1252; separated by commas, semicolons, tabs or
        bars: what a first line ``sep=;`` says, else whichever the header has most of.
    quantities
        Which of the columns hold numbers, whose decimal commas are read; none by default.
    torn
        Asked with its line whether a last row that has no end and too few cells, as of a logger
        that was killed, may be left out; no by default.

    Returns
    -------
    tuple
        The header, and (line number, text by column) a row. Empty lines are skipped, and so are
        the header again, as a logger writes it that was begun anew, what begins with `MARK` where
        the header does, and columns without a name, as programs write for the numbers of rows: of
        a single one the cells stand under `UNNAMED`.
        Where commas do not separate cells, quantities with a decimal comma get a point if they
        leave no doubt among them.

    Raises
    ------
    ObservationError
        If the file cannot be read, has no header or repeats a column, or a row has more or fewer
        cells than the header.
    """
    try:
        with open_input(path) as file:
            text, _ = decoded(file.read())
        stated = _STATED.match(text)
        if stated is not None:
            text = text[stated.end() :]
        if _JSON.match(text):
            raise ObservationError(path, "Expected a table with a header (CSV), got JSON.")
        head = text.lstrip("\r\n").split("\n", 1)[0]
        separator = stated[1] if stated else max(SEPARATORS, key=_unquoted(head).count)
        lines = csv.reader(
            io.StringIO(text, newline=""),
            strict=True,
            delimiter=separator,
            skipinitialspace=separator != "\t",
        )
        ended = text.endswith(("\n", "\r"))
        header, rows = _parsed(path, lines, _no_torn if ended else torn)
    except OSError as error:
        problem = f"Expected a readable CSV file, got: {error.strerror}."
        raise ObservationError(path, problem) from None
    except (UnicodeError, csv.Error) as error:
        raise ObservationError(path, f"Expected a readable CSV file, got: {error}.") from None
    if rows and separator != ",":
        names = list(rows[0][1])
        _point_decimals(set(quantities(names)).intersection(names), rows)
    return header, rows


def _unquoted(line: str) -> str:
    return "".join(line.split('"')[::2])


def _parsed(
    path: Path, lines: Iterator[list[str]], torn: Callable[[int], bool]
) -> tuple[list[str], Rows]:
    header = [name.strip() for name in next((cells for cells in lines if cells), [])]
    named = [place for place, name in enumerate(header) if name]
    if not named or len({header[place] for place in named}) != len(named):
        raise ObservationError(path, f"Expected a header of distinct columns, got {header}.", row=1)
    unnamed = [place for place, name in enumerate(header) if not name]
    kept = named if len(unnamed) != 1 else [*named, *unnamed]
    marked = bool(header) and header[0].startswith(MARK)
    rows: Rows = []
    for count, cells in enumerate(lines, start=2):
        if not any(map(str.strip, cells)) or [cell.strip() for cell in cells] == header:
            continue
        if marked and cells[0].lstrip().startswith(MARK):
            continue
        while len(cells) > len(header) and not cells[-1].strip():
            cells.pop()
        if len(cells) < len(header) and next(lines, None) is None and torn(count):
            break
        if len(cells) != len(header):
            shown = ", ".join(cells)
            problem = (
                f"Expected {len(header)} cells, got {len(cells)}: {shown!r:.{MAX_CELL}}. Delete "
                "the row if its writer was cut off or wrote a message there."
            )
            raise ObservationError(path, problem, row=count)
        rows.append((count, {header[place]: cells[place] for place in kept}))
    return [header[place] for place in named], rows


def _point_decimals(names: Collection[str], rows: Rows) -> None:
    """Write decimal points for the decimal commas of columns, where they show that they are."""
    columns = {name: [cells[name] for _, cells in rows] for name in names}
    for name, pointed in with_points(columns).items():
        for (_, cells), cell in zip(rows, pointed, strict=True):
            cells[name] = cell
