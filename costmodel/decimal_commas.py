"""Numbers with a decimal comma in tables: read where a table leaves no doubt, else refused."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)

_DIGIT = re.compile("[0-9]")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+", re.ASCII)
_COMMA = re.compile(
    rf"(?P<number>[-+]?(?:{_GROUPED.pattern}(?![0-9]*[eE])|[0-9]+)(?:,(?P<part>[0-9]+))?"
    r"(?:[eE][-+]?[0-9]+)?)(?P<behind>\s*[^\s0-9.,+-].*)?",
    re.ASCII | re.DOTALL,
)
"""A number with a decimal comma, perhaps with points between thousands, and its unit."""


def with_points(columns: Mapping[Name, Sequence[str]]) -> dict[Name, list[str]]:
    """Return columns with decimal points for decimal commas, where the table shows that they are.

    One cell that could not be read otherwise is enough (``300,5``, ``0,250``, ``1.234,5``) for all
    columns of such numbers, in which a point then parts thousands. A column with a cell that is no
    such number (``300.5``, ``0.500``) is left as it is. ``300,500`` alone may be three hundred
    thousand.

    Parameters
    ----------
    columns
        Columns of quantities in a table whose cells no commas separate. Addresses, versions and
        dates may look like such numbers, and are not to be among them.

    Returns
    -------
    dict
        Those that are changed.

    Examples
    --------
    >>> with_points({"a": ["0,5 W", "1.000"], "b": ["1.200", ""], "c": ["0.5", "2,5"]})
    {'a': ['0.5 W', '1000'], 'b': ['1200', '']}
    >>> with_points({"a": ["1,200"], "b": ["1.200"]})
    {}
    """
    if not any("," in cell for cells in columns.values() for cell in cells):
        return {}
    found = {name: _numbers(cells) for name, cells in columns.items()}
    if not any(_is_decimal(number) for numbers in found.values() for number in numbers.values()):
        return {}
    return {
        name: [_with_point(cell, numbers.get(place)) for place, cell in enumerate(columns[name])]
        for name, numbers in found.items()
        if numbers
    }


def is_grouped(text: str) -> bool:
    """Say whether the points of a number may part its thousands.

    Read as a decimal point, such a mark makes a number a thousandth of what it is.

    Examples
    --------
    >>> [is_grouped(text) for text in ("1.200", "0.200", "1.234.500", "1.20")]
    [True, False, True, False]
    """
    return _GROUPED.fullmatch(text.strip()) is not None


def comma_hint(cell: str) -> str:
    """Return the sentence that says how to write a number with a comma; "" where there is none.

    Examples
    --------
    >>> comma_hint("0.7"), comma_hint("0,7")[:40]
    ('', ' Its comma may stand for a decimal point')
    """
    if not re.search(r"[0-9],[0-9]", cell):
        return ""
    return (
        " Its comma may stand for a decimal point or part thousands: write numbers with a "
        "point, and thousands without a mark."
    )


def _numbers(cells: Sequence[str]) -> dict[int, re.Match[str]]:
    """Return the numbers by their places; none where a cell with digits is no such number."""
    found = {}
    for place, cell in enumerate(cells):
        if _DIGIT.search(cell):
            number = _COMMA.fullmatch(cell.strip())
            if number is None:
                return {}
            found[place] = number
    return found


def _is_decimal(number: re.Match[str]) -> bool:
    """Say whether the comma of a number cannot part its thousands."""
    if number["part"] is None:
        return False
    whole = number["number"].split(",")[0].lstrip("+-")
    return len(number["part"]) != 3 or whole.startswith("0") or "." in whole or len(whole) > 3


def _with_point(cell: str, number: re.Match[str] | None) -> str:
    if number is None:
        return cell
    return number["number"].replace(".", "").replace(",", ".") + (number["behind"] or "")
