"""Tables of text in files: any separator, encoding and ends of lines, to rows of cells."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from profiler.errors import ObservationError

SEPARATORS = ",;\t|"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_STATED = re.compile(r"[\r\n]*sep=([,;\t|])\r?\n")
"""A first line by which spreadsheets are told the separator."""
_DIGIT = re.compile("[0-9]")
MARK = "#"
"""Begins the lines of `nvidia-smi dmon` that are no readings: its header, and that of the units."""
MAX_CELL = 60
"""Characters of a row or a cell that are shown."""
UNNAMED = ""
"""Column of the cells under no name, where there is one such column."""
_COMMA = re.compile(
    r"(?P<number>[-+]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)(?:,(?P<part>[0-9]+))?(?:[eE][-+]?[0-9]+)?)"
    r"(?P<behind>\s*[^\s0-9.,+-].*)?",
    re.ASCII | re.DOTALL,
)
"""A number with a decimal comma, perhaps with points between thousands, and its unit."""

Rows = list[tuple[int, dict[str, str]]]


def _no_torn(line: int) -> bool:
    return False


def read_table(path: Path, torn: Callable[[int], bool] = _no_torn) -> tuple[list[str], Rows]:
    """Read a table with a header into rows of text.

    Parameters
    ----------
    path
        In UTF-8, in UTF-16 with its mark, or in Latin 1; separated by commas, semicolons, tabs or
        bars: what a first line ``sep=;`` says, else whichever the header has most of.
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
        Where commas do not separate cells, numbers with a decimal comma get a point if the table
        leaves no doubt.

    Raises
    ------
    ObservationError
        Where the file cannot be read, has no header or repeats a column, or a row has more or
        fewer cells than the header.
    """
    try:
        content = path.read_bytes()
        text = _decoded(content)
        stated = _STATED.match(text)
        if stated is not None:
            text = text[stated.end() :]
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
    if separator != ",":
        _point_decimals(header, rows)
    return header, rows


def _decoded(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            text = content.decode(encoding)
            break
    else:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    if "\0" in text:
        raise UnicodeError("bytes of zero, as in a binary file or in UTF-16 without its mark")
    return text


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


def _point_decimals(header: list[str], rows: Rows) -> None:
    """Write decimal points for the decimal commas of a table, where it shows that they are.

    One cell that could not be read otherwise is enough (``300,5``, ``0,250``, ``1.234,5``) for all
    columns of such numbers, in which a point then parts thousands. A column with a cell that is no
    such number (``300.5``) is left as it is. ``300,500`` alone may be three hundred thousand.
    """
    columns = {name: _numbers(name, rows) for name in header}
    if not any(_is_decimal(number) for found in columns.values() for _, number in found):
        return
    for name, found in columns.items():
        for cells, number in found:
            plain = number["number"].replace(".", "").replace(",", ".")
            cells[name] = plain + (number["behind"] or "")


def _numbers(column: str, rows: Rows) -> list[tuple[dict[str, str], re.Match[str]]]:
    """Return rows and numbers of a column; none where a cell with digits is no such number."""
    found = []
    for _, cells in rows:
        if _DIGIT.search(cells[column]):
            number = _COMMA.fullmatch(cells[column].strip())
            if number is None:
                return []
            found.append((cells, number))
    return found


def _is_decimal(number: re.Match[str]) -> bool:
    """Say whether the comma of a number cannot part its thousands."""
    if number["part"] is None:
        return False
    whole = number["number"].split(",")[0].lstrip("+-")
    return len(number["part"]) != 3 or whole.startswith("0") or "." in whole or len(whole) > 3
