"""Files of a folder that anybody may put anything into: read without waiting, named as text."""

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MAX_SHOWN_CHARACTERS = 100
"""Characters of a file's name that a message shows."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

Stamp = tuple[int, ...]
"""What differs between a changed file and the same one."""


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file, at most one byte more than `max_bytes`.

    Whoever reads a FIFO or a device may wait for ever, so nothing else is read.

    Parameters
    ----------
    path : Path
        Path of the file; a link is followed.
    max_bytes : int
        Largest number of bytes of use: one more shows that there are too many.

    Raises
    ------
    OSError
        If it cannot be read; see `open_regular`.
    """
    with open_regular(path) as file:
        return file.read(max_bytes + 1)


def open_regular(path: Path) -> BinaryIO:
    """Return a regular file, open to be read, without waiting.

    Parameters
    ----------
    path : Path
        Path of the file; a link is followed.

    Raises
    ------
    OSError
        If it cannot be opened, or is no regular file. Its ``strerror`` says in plain words what
        stands there instead, or whom the system refuses.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _in_words(error, path) from None
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, _not_regular(mode), str(path))


def open_input(path: Path) -> BinaryIO:
    """Return a file or a pipe, open to be read to its end, which a device may not have.

    Parameters
    ----------
    path : Path
        Path of what somebody wants read; a link is followed.

    Raises
    ------
    OSError
        If it cannot be opened, or is a device.
    """
    file = path.open("rb")
    mode = os.fstat(file.fileno()).st_mode
    if not (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)):
        return file
    file.close()
    raise OSError(errno.EINVAL, _not_regular(mode), str(path))


def refusal_of(path: Path) -> str | None:
    """Return whom the system refuses to read a file or what is in a folder; None where it does not.

    What is not there, or cannot be read for another reason, is refused to nobody.
    """
    try:
        if path.is_dir():
            os.scandir(path).close()
            # A folder may be listed and yet nothing in it be opened.
            os.stat(f"{path}/.")  # noqa: PTH116  a Path drops the dot
        else:
            open_regular(path).close()
    except PermissionError as error:
        return _in_words(error, path).strerror
    except OSError:
        return None
    return None


def is_absent(path: Path) -> bool:
    """Return whether nothing stands at a path, not even a link that leads nowhere.

    Where the system does not say, something may stand there: who reads it gets the reason why not.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def words_of_os_error(error: OSError) -> str:
    """Return what the system refuses, with the file that it names.

    Examples
    --------
    >>> words_of_os_error(OSError(28, "No space left on device", "/data/out.csv"))
    '/data/out.csv: No space left on device'
    >>> words_of_os_error(OSError("no"))
    'no'
    """
    why = error.strerror or str(error)
    return why if error.filename is None else f"{error.filename}: {why}"


def stamp(path: Path) -> Stamp:
    """Return what changes when a file does, permissions included, or why nothing is known of it.

    Whoever sets the time of a file back changes when it was changed, so that shows too. A link is
    followed.
    """
    try:
        found = path.stat()
    except OSError as error:
        return (error.errno or errno.EIO,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _not_regular(mode: int) -> str:
    return f"{_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a file"


def _in_words(error: OSError, path: Path) -> OSError:
    """Return an error of the same number that says what is met at the path."""
    number = error.errno or errno.EIO
    words = error.strerror or "the system does not say why"
    with contextlib.suppress(OSError):
        if number in {errno.EACCES, errno.EPERM}:
            words = f"{os.strerror(number)} to user {os.geteuid()}"
        elif number == errno.ELOOP:
            words = "a link that leads back to itself, not a file"
        elif number == errno.ENOENT:
            words = f"a link to {shown_name(str(path.readlink()))}, where nothing is"
        elif number == errno.ENXIO:
            # Linux opens no socket.
            words = _not_regular(path.stat().st_mode)
    return OSError(number, words, str(path))


def shown_name(name: str) -> str:
    r"""Return the name of a file as logs, JSON and metrics can hold it.

    Names on disk are bytes: one that is no printable UTF-8 is shown as those bytes are written,
    and a long one is cut.

    Parameters
    ----------
    name : str
        Name as Python decodes it.

    Examples
    --------
    >>> shown_name("a.joblib"), shown_name("a\udcffb.joblib"), shown_name("two\nlines")
    ('a.joblib', "b'a\\xffb.joblib'", "b'two\\nlines'")
    """
    shown = name if name.isprintable() else repr(os.fsencode(name))
    return shown if len(shown) <= MAX_SHOWN_CHARACTERS else f"{shown[:MAX_SHOWN_CHARACTERS]}..."
