"""What may stand in the place of a file, and the words by which it is told."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path


def clear(path: Path) -> None:
    """Take away whatever stands at a path."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _socket(path: Path) -> None:
    """Leave a socket that nobody listens on; its own path may be too long for one."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


STAND_INS: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda _: None, "No such file"),
    "FIFO": (os.mkfifo, "a FIFO, not a file"),
    "folder": (Path.mkdir, "a folder, not a file"),
    "socket": (_socket, "a socket, not a file"),
    "device": (lambda path: path.symlink_to(os.devnull), "a device, not a file"),
    "link to nothing": (
        lambda path: path.symlink_to("nowhere.yaml"),
        "a link to nowhere.yaml, where nothing is",
    ),
    "link to itself": (
        lambda path: path.symlink_to(path.name),
        "a link that leads back to itself, not a file",
    ),
}
"""By name: what makes one at a path where nothing is, and words of it."""


def stand_in(path: Path, name: str) -> None:
    """Put one of `STAND_INS` in the place of a file."""
    clear(path)
    STAND_INS[name][0](path)
