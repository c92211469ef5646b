"""What pages show of a command's output, held against what the command prints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pytest

LEFT_OUT = "..."
"""A line of a page that stands for any number of printed ones."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def alike(shown: str, line: str, tolerance: float) -> bool:
    """Whether two lines are the same but for the last digits of their numbers.

    Examples
    --------
    >>> alike('"value": 34351.4,', '"value": 34351.36716,', 0.01)
    True
    >>> alike('"value": 34351.4,', '"value": 44351.4,', 0.01)
    False
    """
    if NUMBER.sub("#", shown.strip()) != NUMBER.sub("#", line.strip()):
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(line), strict=True)
    return all(float(a) == pytest.approx(float(b), rel=tolerance) for a, b in pairs)


def not_printed(shown: Iterable[str], lines: Sequence[str], tolerance: float) -> str | None:
    """Return the first shown line that is not printed, None where all are, in their order.

    Lines follow one another as they are shown; only `LEFT_OUT` admits others in between.
    """
    at, is_free = 0, False
    for one in shown:
        if one.strip() == LEFT_OUT:
            is_free = True
            continue
        last = len(lines) if is_free else at + 1
        found = (i for i in range(at, min(last, len(lines))) if alike(one, lines[i], tolerance))
        at = next(found, -1) + 1
        if not at:
            return one
        is_free = False
    return None if is_free or at == len(lines) else f"(the end, before {lines[at]!r})"
