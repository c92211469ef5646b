"""Lengths of time as people write them: `90`, `10m`, `1h30m`, `PT10M`."""

from __future__ import annotations

import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(ms|s|min|m|h|d|w)\s*", re.ASCII)
# ISO 8601, without years and months, which are of no fixed length.
_ISO = re.compile(
    r"P(?:(?P<w>\d{1,12})W)?(?:(?P<d>\d{1,12})D)?"
    r"(?:T(?:(?P<h>\d{1,12})H)?(?:(?P<m>\d{1,12})M)?(?:(?P<s>\d{1,12}(?:[.,]\d{1,12})?)S)?)?",
    re.ASCII,
)


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
