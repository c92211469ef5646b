"""Where files are kept that outlive the service."""

from __future__ import annotations

import os
from pathlib import Path


def state_file(name: str) -> Path:
    """Return a file in the folder that the user's programs keep their state in."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "jouleplan" / name
