"""The version of jouleplan that runs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "unknown"


def running_version() -> str:
    """Return the version of the installed distribution, `unknown` in a checkout without one."""
    try:
        return version("jouleplan")
    except PackageNotFoundError:
        return UNKNOWN
