"""What a text may mean where a number belongs, so that a refusal says what to write."""

from __future__ import annotations

import re
from enum import Enum, auto

from costmodel.decimal_commas import comma_hint, is_grouped, with_points
from service.durations import seconds_of

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)


class Wanted(Enum):
    """What number belongs somewhere."""

    COUNT = auto()
    SECONDS = auto()
    SHARE = auto()
    OTHER = auto()


def number_meant(text: str, wanted: Wanted) -> str | None:
    """Return the one number that a text can mean, as it is to be written; None where there is none.

    Examples
    --------
    >>> number_meant("10m", Wanted.SECONDS), number_meant("0,7", Wanted.OTHER)
    ('600', '0.7')
    >>> number_meant("70 %", Wanted.SHARE), number_meant("812", Wanted.COUNT)
    ('0.7', '812')
    >>> number_meant("1,200", Wanted.OTHER), number_meant("2,5", Wanted.COUNT)
    (None, None)
    """
    length_s = seconds_of(text) if wanted is Wanted.SECONDS else None
    if length_s is not None:
        return f"{length_s:.15g}"
    pointed = with_points({"": [text]}).get("", [text])[0].strip()
    share = share_of(pointed) if wanted is Wanted.SHARE else None
    if share is not None:
        return f"{share:.15g}"
    if wanted is Wanted.COUNT and not pointed.isdecimal():
        return None
    return pointed if _NUMBER.fullmatch(pointed) else None


def ending(text: str, wanted: Wanted) -> str:
    """Return the end of a sentence that says which text came, with what to write in its place.

    Examples
    --------
    >>> ending("10m", Wanted.SECONDS), ending("812", Wanted.COUNT), ending("x", Wanted.COUNT)
    (': write 600.', ': write 812, without quotes.', '.')
    >>> ending("1.000", Wanted.COUNT), ending("1.200", Wanted.COUNT)
    ('. Its point may part thousands: write 1000, or else 1.', ': write 1200 for thousands.')
    """
    meant = number_meant(text, wanted)
    if meant is not None:
        return f": write {meant}, without quotes." if meant == text.strip() else f": write {meant}."
    if wanted is Wanted.COUNT and is_grouped(text):
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
