"""Values of options, refused in words where they are wrong."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from commandline.parser import number

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


def llm(text: str) -> str:
    """Return the normal form of the name of an LLM, as an option has it."""
    from costmodel.names import llm_name  # noqa: PLC0415  numpy comes with it

    return _normal(llm_name, text)


def device(text: str) -> str:
    """Return the normal form of the name of a device, as an option has it."""
    from costmodel.names import device_named  # noqa: PLC0415  numpy comes with it

    return _normal(device_named, text)


def _normal(normal: Callable[[str], str], text: str) -> str:
    try:
        return normal(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> float:
    """Return a number above 0."""
    value = number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return value


def share(text: str) -> float:
    """Return a ratio between 0 and 1."""
    value = number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a ratio between 0 and 1, got {text!r}")
    return value


def date(text: str) -> str:
    """Return a date, whole or without its day or month."""
    if not _DATE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected YYYY, YYYY-MM or YYYY-MM-DD, got {text!r}")
    return text
