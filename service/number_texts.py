"""Texts in which people write numbers, and what to write in their place where a number belongs.

Lengths of time come as `90`, `10m`, `1h30m` or `PT10M`, shares as `70 %`.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from costmodel.decimal_commas import comma_hint, is_grouped, with_points

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(ms|s|min|m|h|d|w)\s*", re.ASCII)
# ISO 8601, without years and months, which are of no fixed length.
_ISO = re.compile(
    r"P(?:(?P<w>\d{1,12})W)?(?:(?P<d>\d{1,12})D)?"
    r"(?:T(?:(?P<h>\d{1,12})H)?(?:(?P<m>\d{1,12})M)?(?:(?P<s>\d{1,12}(?:[.,]\d{1,12})?)S)?)?",
    re.ASCII,
)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)


def seconds_of(text: str) -> float | None:
    """Return the seconds that a length of time with units has; None where it is none.

    A bare number is none: it has no unit that could be read.

    Examples
    --------
    >>> seconds_of("10m"), seconds_of("1h 30m"), seconds_of("250ms"), seconds_of("0.5 h")
    (600.0, 5400.0, 0.25, 1800.0)
    >>> seconds_of("PT10M"), seconds_of("P1DT0.5S"), seconds_of("PT"), seconds_of("P1Y")
    (600.0, 86400.5, None, None)
    >>> seconds_of("10"), seconds_of("10 minutes or so"), seconds_of("")
    (None, None, None)
    """
    iso = _ISO.fullmatch(text.strip())
    if iso is not None:
        parts = {unit: part for unit, part in iso.groupdict().items() if part is not None}
        lengths = [float(part.replace(",", ".")) * _UNITS_S[unit] for unit, part in parts.items()]
        return sum(lengths) if lengths else None
    found, place = 0.0, 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            return None
        found += float(part[1]) * _UNITS_S[part[2]]
        place = part.end()
    return found if text else None


class NumberKind(Enum):
    """What number belongs somewhere."""

    COUNT = auto()
    SECONDS = auto()
    SHARE = auto()
    OTHER = auto()


def number_meant(text: str, wanted: NumberKind) -> str | None:
    """Return the one number that a text can mean, as it is to be written; None where there is none.

    Examples
    --------
    >>> number_meant("10m", NumberKind.SECONDS), number_meant("0,7", NumberKind.OTHER)
    ('600', '0.7')
    >>> number_meant("70 %", NumberKind.SHARE), number_meant("812", NumberKind.COUNT)
    ('0.7', '812')
    >>> number_meant("1,200", NumberKind.OTHER), number_meant("2,5", NumberKind.COUNT)
    (None, None)
    """
    length_s = seconds_of(text) if wanted is NumberKind.SECONDS else None
    if length_s is not None:
        return f"{length_s:.15g}"
    pointed = with_points({"": [text]}).get("", [text])[0].strip()
    share = share_of(pointed) if wanted is NumberKind.SHARE else None
    if share is not None:
        return f"{share:.15g}"
    if wanted is NumberKind.COUNT and not pointed.isdecimal():
        return None
    return pointed if _NUMBER.fullmatch(pointed) else None


def ending(text: str, wanted: NumberKind) -> str:
    """Return the end of a sentence that says which text came, with what to write in its place.

    Examples
    --------
    >>> ending("10m", NumberKind.SECONDS), ending("812", NumberKind.COUNT)
    (': write 600.', ': write 812, without quotes.')
    >>> ending("1.000", NumberKind.COUNT), ending("1.200", NumberKind.COUNT)
    ('. Its point may part thousands: write 1000, or else 1.', ': write 1200 for thousands.')
    """
    meant = number_meant(text, wanted)
    if meant is not None:
        return f": write {meant}, without quotes." if meant == text.strip() else f": write {meant}."
    if wanted is NumberKind.COUNT and is_grouped(text):
        plain = text.strip().replace(".", "")
        if text.count(".") > 1 or not float(text).is_integer():
            return f": write {plain} for thousands."
        return f". Its point may part thousands: write {plain}, or else {float(text):.15g}."
    return f".{comma_hint(text)}"


def share_of(text: str) -> float | None:
    """Return the share that a text says in per cent; None where it says none.

    Examples
    --------
    >>> share_of("67.5%"), share_of("0.7")
    (0.675, None)
    """
    found = _PERCENT.fullmatch(text.strip())
    return None if found is None else float(found[1]) / 100
