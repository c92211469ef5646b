"""Which libraries of an extra are not installed."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, requires

_REQUIRED = re.compile(r"([\w.-]+)[^;]*; extra == '(\w+)'")
"""A requirement of an extra; those that hold on some platforms only have further conditions."""


def missing(extra: str) -> list[str]:
    """Return the names of the libraries that an extra requires and that are not installed.

    Where jouleplan itself is not installed, nothing says what it requires: the answer is empty.
    """
    try:
        found = map(_REQUIRED.fullmatch, requires("jouleplan") or ())
    except PackageNotFoundError:
        return []
    names = [one[1] for one in found if one is not None and one[2] == extra]
    return [name for name in names if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
