"""The processes of the service, as Linux tells of them under /proc."""

from __future__ import annotations

from pathlib import Path

SPAWNED = b"multiprocessing.spawn"
"""Words in the command line of each worker."""


def workers_of(pid: int) -> list[int]:
    """Return the ids of the workers of a service; empty where it has ended."""
    found: set[int] = set()
    for task in _tasks(pid):
        found.update(int(child) for child in _read(task / "children").split())
    return sorted(child for child in found if SPAWNED in _read(Path(f"/proc/{child}/cmdline")))


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process [MB]; 0 where it has ended."""
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith(b"VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _read(path: Path) -> bytes:
    """Return what a file holds; nothing where its process ended meanwhile."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
