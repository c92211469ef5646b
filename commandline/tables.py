"""Tables on standard output, of which no number is ever cut.

Off a terminal a table is as wide as what it holds. On one that is narrower, headings and names are
wrapped, and what still has no room follows below, in a part of its own that repeats the names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from textwrap import wrap

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.table import Table
from rich.text import Text

_NUMBER = re.compile(r"[-+]?[0-9][0-9.,]*(e[-+]?[0-9]+)?%?")
_MIN_NAME = 12
"""Characters of a name that stay on one line, so that it can still be read."""
_EDGES, _BETWEEN = 2, 2
"""Blanks beside a table, and between two of its columns."""


@dataclass(frozen=True)
class Column:
    """A heading, and what stands below it."""

    heading: str
    cells: tuple[str, ...]

    @property
    def max_width(self) -> int:
        """Width at which nothing is wrapped."""
        return max(map(cell_len, (self.heading, *self.cells)), default=0)

    @property
    def min_width(self) -> int:
        """Width below which a number, a word of the heading or the begin of a name is cut."""
        words = chain.from_iterable(map(str.split, self.cells))
        kept = (len(w) if _NUMBER.fullmatch(w) else min(cell_len(w), _MIN_NAME) for w in words)
        return max(chain(kept, map(cell_len, self.heading.split())), default=0)

    @property
    def is_of_numbers(self) -> bool:
        """Whether there is a number among the cells."""
        return any(map(_NUMBER.fullmatch, self.cells))


def print_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1
) -> None:
    """Print a table on standard output.

    Parameters
    ----------
    title
        One line above it.
    header
        Headings of the columns.
    rows
        Cells as text, as many a row as the header has.
    names
        How many columns, from the first, name what a row is about: they are aligned left, and
        repeated in every part. Of the others, those with numbers are aligned right.
    """
    cells = zip(*rows, strict=True) if rows else ((),) * len(header)
    columns = [Column(h, tuple(c)) for h, c in zip(header, cells, strict=True)]
    console = Console(file=sys.stdout, highlight=False, markup=False)
    widest = _total([column.max_width for column in columns])
    room = console.width if sys.stdout.isatty() else widest
    sys.stdout.write(f"{title}\n")
    for part in _parts(columns, names, room):
        widths = _widths(part, room)
        table = _drawn(part, widths, names)
        console.width = max(room, _total(widths))
        with console.capture() as drawn:
            console.print(table)
        lines = drawn.get().splitlines()
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in lines))


def _parts(columns: Sequence[Column], names: int, room: int) -> Iterator[list[Column]]:
    """Divide columns into parts that fit; one that fits nowhere is a part all the same."""
    kept = list(columns[:names])
    part = kept
    for column in columns[names:]:
        longer = [*part, column]
        if len(part) > len(kept) and _total([c.min_width for c in longer]) > room:
            yield part
            longer = [*kept, column]
        part = longer
    yield part


def _widths(columns: Sequence[Column], room: int) -> list[int]:
    """Narrow the widest column that can be, until all fit or none can be."""
    widths = [column.max_width for column in columns]
    while _total(widths) > room:
        free = [i for i, column in enumerate(columns) if widths[i] > column.min_width]
        if not free:
            break
        widths[max(free, key=widths.__getitem__)] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return _EDGES + sum(widths) + _BETWEEN * (len(widths) - 1)


def _drawn(columns: Sequence[Column], widths: Sequence[int], names: int) -> Table:
    has_header = any(column.heading for column in columns)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_header=has_header)
    for place, (column, width) in enumerate(zip(columns, widths, strict=True)):
        right = place >= names and column.is_of_numbers
        heading = _wrapped(column.heading, width)
        table.add_column(heading, justify="right" if right else "left", width=width, no_wrap=True)
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)))
    return table


def _wrapped(text: str, width: int) -> Text:
    if cell_len(text) <= width:
        return Text(" ".join(text.splitlines()))
    # Characters are counted first, for breaks at blanks and hyphens; some take two cells.
    lines = chain.from_iterable(chop_cells(line, width) for line in wrap(text, width))
    return Text("\n".join(lines))
