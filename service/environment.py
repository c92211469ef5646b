"""What the service finds around it: folders, and the memory of the machine."""

from __future__ import annotations

import os
import resource
from importlib.resources import files
from pathlib import Path

PACKAGE_FOLDER = "embedded_models"
CHECKOUT_FOLDER = "models"
FLEET_FILE = "fleet.yaml"
DEFAULT_SHARE = 0.75
"""Share of the machine's or the container's memory that calls may take where nothing is set."""


def embedded_models_dir() -> Path:
    """Return the folder of the cost models that come with jouleplan.

    An installed wheel carries them inside this package; a checkout has them beside it, or lacks
    them where it is incomplete.
    """
    package = Path(str(files("service")))
    installed = package / PACKAGE_FOLDER
    return installed if installed.is_dir() else package.parent / CHECKOUT_FOLDER


def state_file(name: str) -> Path:
    """Return a file in the folder that the user's programs keep their state in."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "jouleplan" / name


def available_bytes() -> int:
    """Return the memory of the container, where it is limited, else of the machine [bytes]."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            return min(physical, int(text))
    return physical


def default_budget() -> int:
    """Return what calls may take together where nothing is set [bytes]."""
    return int(DEFAULT_SHARE * available_bytes())


def limit_memory(extra_bytes: int) -> None:
    """Let this process have no more than `extra_bytes` beyond what it has now.

    What asks for more gets a `MemoryError`, or ends this process, and not the machine. The limit
    holds where the system counts private memory: on Linux.
    """
    path = Path("/proc/self/statm")
    if path.exists():
        pages = int(path.read_text(encoding="ascii").split()[5])
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = pages * os.sysconf("SC_PAGE_SIZE") + extra_bytes
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
