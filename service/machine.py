"""What the machine, or the container, has of memory, and what a process may take of it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

#: Of the machine's or the container's memory, what calls may take together where nothing is set.
DEFAULT_SHARE = 0.75


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


def limit_memory(more: int) -> None:
    """Let this process have no more than `more` bytes beyond what it has now.

    What asks for more gets a `MemoryError`, or ends this process, and not the machine. The limit
    holds where the system counts private memory: on Linux.
    """
    path = Path("/proc/self/statm")
    if path.exists():
        pages = int(path.read_text(encoding="ascii").split()[5])
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = pages * os.sysconf("SC_PAGE_SIZE") + more
        if most == resource.RLIM_INFINITY or limit < most:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
