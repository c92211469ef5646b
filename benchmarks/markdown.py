"""Tables in Markdown, readable on a terminal as well."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBERS = re.compile(r"[-<\d.,/ ()]+(e-?\d+)?|[-\d.]+ \([-\d.]+ to [-\d.]+\)|none found")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table, columns padded to equal width, numbers to the right.

    Examples
    --------
    >>> print(table(["LLM", "J"], [["7b", "1.5"], ["70b", "20.0"]]))
    | LLM |    J |
    |:----|-----:|
    | 7b  |  1.5 |
    | 70b | 20.0 |
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    left = [not all(map(_NUMBERS.fullmatch, column)) for column in zip(*rows, strict=True)]
    rule = [
        ":" + "-" * (width + 1) if to_left else "-" * (width + 1) + ":"
        for width, to_left in zip(widths, left, strict=True)
    ]
    lines = [_line(header, widths, left), "|" + "|".join(rule) + "|"]
    return "\n".join([*lines, *(_line(row, widths, left) for row in rows)])


def percent(ratio: float | None, digits: int = 1) -> str:
    """Write a ratio in per cent, a dash where there is none.

    Examples
    --------
    >>> percent(0.0579), percent(-0.0001), percent(None)
    ('5.8', '0.0', '-')
    """
    return "-" if ratio is None else f"{round(100.0 * ratio, digits) + 0.0:.{digits}f}"


def small(ratio: float) -> str:
    """Write a gap with its power of ten; anything below 1e-9 is rounding.

    Examples
    --------
    >>> small(1e-12), small(2.8e-4)
    ('< 1e-9', '2.8e-4')
    """
    return "< 1e-9" if ratio < 1e-9 else f"{ratio:.1e}".replace("e-0", "e-")


def _line(cells: Sequence[str], widths: Sequence[int], left: Sequence[bool]) -> str:
    padded = [
        cell.ljust(width) if to_left else cell.rjust(width)
        for cell, width, to_left in zip(cells, widths, left, strict=True)
    ]
    return "| " + " | ".join(padded) + " |"
