"""Tables of text in files: any separator, encoding and ends of lines, to rows of cells."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
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

Rows = list[tuple[int, dict[str, str]]]


def read_table(path: Path) -> tuple[list[str], Rows]:
    """Read a table with a header into rows of text.

    Parameters
    ----------
    path
        In UTF-8, in UTF-16 with its mark, or in Latin 1; separated by commas, semicolons, tabs or
        bars: what a first line ``sep=;`` says, else whichever the header has most of.

    Returns
    -------
    tuple
        The header, and (line number, text by column) a row. Empty lines are skipped, and so are
        the header again, as a logger writes it that was begun anew, and columns without a name, as
        programs write for the numbers of rows.

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
        return _parsed(path, lines)
    except (OSError, UnicodeError, csv.Error) as error:
        raise ObservationError(path, f"Expected a readable CSV file, got: {error}.") from None


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


def _parsed(path: Path, lines: Iterator[list[str]]) -> tuple[list[str], Rows]:
    header = [name.strip() for name in next((cells for cells in lines if cells), [])]
    named = [place for place, name in enumerate(header) if name]
    if not named or len({header[place] for place in named}) != len(named):
        raise ObservationError(path, f"Expected a header of distinct columns, got {header}.", row=1)
    rows = []
    for count, cells in enumerate(lines, start=2):
        if not any(map(str.strip, cells)) or [cell.strip() for cell in cells] == header:
            continue
        while len(cells) > len(header) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(header):
            problem = f"Expected {len(header)} cells, got {len(cells)}."
            raise ObservationError(path, problem, row=count)
        rows.append((count, {header[place]: cells[place] for place in named}))
    return [header[place] for place in named], rows
