"""What is installed of jouleplan: its version, and the libraries of its extras."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution, requires, version

NAME = "jouleplan"
UNKNOWN = "unknown"
_REQUIRED = re.compile(r"([\w.-]+)[^;]*; extra == '(\w+)'")
"""A requirement of an extra; those that hold on some platforms only have further conditions."""


def running_version() -> str:
    """Return the version of the installed distribution, `unknown` in a checkout without one."""
    try:
        return version(NAME)
    except PackageNotFoundError:
        return UNKNOWN


def missing(extra: str) -> list[str]:
    """Return the names of the libraries that an extra requires and that are not installed.

    Where jouleplan itself is not installed, nothing says what it requires: the answer is empty.
    """
    try:
        found = map(_REQUIRED.fullmatch, requires(NAME) or ())
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


def lacking(extra: str, program: str, arguments: Sequence[str]) -> str | None:
    """Say which libraries a command needs that are not installed, and what installs them.

    None where all are, and where only help is asked for: that needs none of them, and tells
    whether they are worth installing.
    """
    absent = [] if {"-h", "--help", "--version"} & set(arguments) else missing(extra)
    if not absent:
        return None
    command = " ".join([program, *arguments[:1]])
    return (
        f"{command} needs libraries that are not installed: {', '.join(absent)}.\n"
        f"Install them: pip install '{NAME}[{extra}]' (in a checkout: make setup)"
    )
