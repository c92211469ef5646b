"""Files of a folder that anybody may put anything into: read without waiting, named as text."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MAX_SHOWN = 100
"""Characters of a file's name that are told."""


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file, at most one byte more than `max_bytes`.

    Whoever reads a FIFO or a device may wait for ever, so nothing else is read.

    Parameters
    ----------
    path : Path
        Of the file; a link is followed.
    max_bytes : int
        That are of use: one more tells that there are too many.

    Raises
    ------
    OSError
        If it cannot be read, or is no regular file; with its ``strerror``.
    """
    with open_regular(path) as file:
        return file.read(max_bytes + 1)


def open_regular(path: Path) -> BinaryIO:
    """Return a regular file, open to be read, without waiting.

    Raises
    ------
    OSError
        If it cannot be opened, or is no regular file; with its ``strerror``.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not a regular file", shown_name(path.name))
    return file


def shown_name(name: str) -> str:
    r"""Return the name of a file as logs, JSON and metrics can hold it.

    Names on disk are bytes: one that is no printable UTF-8 is shown as those bytes are written,
    and a long one is cut.

    Parameters
    ----------
    name : str
        As Python decodes it.

    Examples
    --------
    >>> shown_name("a.joblib"), shown_name("a\udcffb.joblib"), shown_name("two\nlines")
    ('a.joblib', "b'a\\xffb.joblib'", "b'two\\nlines'")
    """
    shown = name if name.isprintable() else repr(os.fsencode(name))
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}..."
