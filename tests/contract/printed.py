"""What pages show of a command's output, held against what the command prints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

LEFT_OUT = "..."
"""A line of a page that stands for any number of printed ones."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def alike(shown: str, line: str) -> bool:
    """Whether two lines are the same but for digits of their numbers that a page leaves out.

    Numbers are within one unit of the last decimal that is shown: pages round, or leave off the
    rest. Where a page shows none, they are what is printed, rounded or cut.

    Examples
    --------
    >>> alike('"value": 34351.4,', '"value": 34351.36716,')
    True
    >>> alike('"low": 32344.1,', '"low": 32307.6251,'), alike("62 models", "63 models")
    (False, False)
    >>> alike("5 s", "4.2 s"), alike("4 s", "4.2 s"), alike("1e3", "1900.5")
    (False, True, False)
    """
    if NUMBER.sub("#", shown.strip()) != NUMBER.sub("#", line.strip()):
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(line), strict=True)
    return all(_is_cut(one, whole) for one, whole in pairs)


def _is_cut(shown: str, printed: str) -> bool:
    exact, cut = Decimal(printed), Decimal(shown)
    decimals = -int(cut.as_tuple().exponent)
    if decimals <= 0:
        return cut in (round(exact), int(exact))
    return abs(exact - cut) <= Decimal(1).scaleb(-decimals)


def not_printed(shown: Iterable[str], lines: Sequence[str]) -> str | None:
    """Return the first shown line that is not printed, None where all are, in their order.

    Lines follow one another as they are shown; only `LEFT_OUT` admits others in between.
    """
    at, is_free = 0, False
    for one in shown:
        if one.strip() == LEFT_OUT:
            is_free = True
            continue
        last = len(lines) if is_free else at + 1
        found = (i for i in range(at, min(last, len(lines))) if alike(one, lines[i]))
        at = next(found, -1) + 1
        if not at:
            return one
        is_free = False
    return None if is_free or at == len(lines) else f"(the end, before {lines[at]!r})"
