"""Numbers among the arguments of a command, refused in words where they are none."""

from __future__ import annotations

import argparse

from service.durations import seconds_of


def seconds(text: str) -> float:
    """Return seconds: a number, or a length of time with units.

    Raises
    ------
    ArgumentTypeError
        If it is neither.

    Examples
    --------
    >>> seconds("90"), seconds("10m")
    (90.0, 600.0)
    """
    found = seconds_of(text)
    try:
        return float(text) if found is None else found
    except ValueError:
        msg = f"expected seconds, or a length of time such as 10m, got {text!r:.60}"
        raise argparse.ArgumentTypeError(msg) from None


def number(text: str) -> float:
    """Return a number.

    Raises
    ------
    ArgumentTypeError
        If it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r:.60}") from None


def whole_number(text: str) -> int:
    """Return a whole number.

    Raises
    ------
    ArgumentTypeError
        If it is none, or one of thousands of digits.
    """
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r:.60}") from None
