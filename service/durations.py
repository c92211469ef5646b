"""Lengths of time as people write them: `90`, `10m`, `1h30m`."""

from __future__ import annotations

import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(ms|s|min|m|h|d)\s*", re.ASCII)


def seconds_of(text: str) -> float | None:
    """Return the seconds that a length of time with units has; None where it is none.

    A bare number is none: it has no unit that could be read.

    Examples
    --------
    >>> seconds_of("10m"), seconds_of("1h 30m"), seconds_of("250ms"), seconds_of("0.5 h")
    (600.0, 5400.0, 0.25, 1800.0)
    >>> seconds_of("10"), seconds_of("10 minutes or so"), seconds_of("")
    (None, None, None)
    """
    found, place = 0.0, 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            return None
        found += float(part[1]) * _UNITS_S[part[2]]
        place = part.end()
    return found if text else None
