"""The standard streams of a command, whatever they lead to.

A stream may be closed (``>&-``), full (``>/dev/full``), or a pipe whose reader had enough.
Libraries that print know nothing of that: some lose what they were to print, some end the process.
So it is told, once and for all of them, where the bytes leave.
"""

from __future__ import annotations

import io
import os
import sys
from select import select
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputError(Exception):
    """Standard output takes no more; `reason` says why, None where its reader had enough."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.reason = None if isinstance(error, BrokenPipeError) else error.strerror


def use_standard_streams() -> None:
    """Let this process print so that a failure of its output is an OutputError, raised once.

    What is said on standard error is dropped where that fails: nobody is left to be told. A stream
    that is closed stays so, but for its number, which no file that is opened later gets.
    """
    for number in range(3):
        _hold(number)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  it stays open
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout, is_error=False)
    sys.stderr = _text(_Notes(2, "w", closefd=False), sys.stderr, is_error=True)


def _hold(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        # Of the wrong direction: to read or to write it fails as if it were closed.
        os.set_inheritable(os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY), True)


class _Output(io.FileIO):
    _is_lost = False

    def write(self, data: ReadableBuffer) -> int:
        # The interpreter flushes at its end what could not be written before.
        if self._is_lost:
            return memoryview(data).nbytes
        try:
            return _written(self, data)
        except OSError as error:
            self._is_lost = True
            raise OutputError(error) from None


class _Notes(io.FileIO):
    def write(self, data: ReadableBuffer) -> int:
        try:
            return _written(self, data)
        except OSError:
            return memoryview(data).nbytes


def _written(raw: io.FileIO, data: ReadableBuffer) -> int:
    """Write what fits, once anything does: whoever made the pipe may have made it not to block."""
    while (count := io.FileIO.write(raw, data)) is None:
        select([], [raw], [])
    return count


def _text(raw: io.FileIO, before: TextIO | None, *, is_error: bool) -> TextIO:
    """Return a stream of text over another, in the encoding of the one before."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding="utf-8" if before is None else before.encoding,
        errors="backslashreplace",
        newline="\n",
        line_buffering=is_error or raw.isatty(),
    )
