"""Tables for people: aligned text on a terminal, Markdown in a page."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

_NUMBER = re.compile(r"-?[0-9.]+(e[+-]?[0-9]+)?")

WIDTH_OF_FILES = 220
"""Columns when the output is no terminal, so that nothing is cut."""


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on standard output.

    Parameters
    ----------
    title
        One line above it.
    header
        Names of the columns; the first is aligned left, the others right where they are numbers.
    rows
        Cells as text, as many a row as the header has.
    """
    table = Table(box=None, pad_edge=False)
    for place, name in enumerate(header):
        numeric = rows and all(_is_number(row[place]) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=bool(numeric))
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else WIDTH_OF_FILES
    console = Console(file=sys.stdout, highlight=False, markup=False, width=width)
    with console.capture() as drawn:
        console.print(table)
    lines = [title, *drawn.get().splitlines()]
    sys.stdout.write("\n".join(line.rstrip() for line in lines) + "\n")


def say(*sentences: str) -> None:
    """Write sentences on standard error, a line each."""
    for sentence in sentences:
        sys.stderr.write(sentence + "\n")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown.

    Parameters
    ----------
    header
        Names of the columns.
    rows
        Cells as text.

    Returns
    -------
    str
        Text with a newline at its end.

    Examples
    --------
    >>> print(markdown_table(["LLM", "MAPE"], [["falcon-7b", "3.9"]]), end="")
    | LLM | MAPE |
    |---|---|
    | falcon-7b | 3.9 |
    """
    lines = [header, ["---"] * len(header), *rows]
    text = ["| " + " | ".join(cells) + " |" for cells in lines]
    text[1] = "|" + "---|" * len(header)
    return "\n".join(text) + "\n"


def percent(ratio: float | None, digits: int = 1) -> str:
    """Write a ratio as per cent, a dash for none.

    Examples
    --------
    >>> percent(0.0579), percent(None)
    ('5.8', '-')
    """
    return "-" if ratio is None else f"{100 * ratio:.{digits}f}"


def statistic(value: float | None, digits: int = 5) -> str:
    """Write a number with its significant digits, a dash for none.

    Examples
    --------
    >>> statistic(0.00123456), statistic(12.3456, 4), statistic(None), statistic(math.nan)
    ('0.0012346', '12.35', '-', '-')
    """
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}g}"


def _is_number(text: str) -> bool:
    return text == "-" or _NUMBER.fullmatch(text) is not None
