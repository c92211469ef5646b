"""The process in which a Parquet file is read: how it is started, what it is asked, how it ends.

A damaged page can crash Arrow's decoder, and what crashes must not be the program that was asked.
Both processes import this module; it is light, and so is all that it imports.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import Any, Protocol, Self

import orjson

from service.calls.batch_files.parquet_sizes import ParquetHead, ParquetLimits, ParquetRefusal
from service.calls.processes import start_shielded


class OpenFile(Protocol):
    """A file with a descriptor that can be mapped into memory."""

    def fileno(self) -> int:
        """Return the descriptor."""


class ParquetProcess:
    """Reads a file; its methods raise `ParquetRefusal` where it refuses it, or has ended.

    `file` is to be open at least until `head` has returned.
    """

    def __init__(self, file: OpenFile, limits: ParquetLimits) -> None:
        self._file = file
        self._limits = limits
        context = multiprocessing.get_context("spawn")
        self._connection, self._theirs = context.Pipe()
        self._process = context.Process(target=_enter, args=(self._theirs, limits), daemon=True)

    def __enter__(self) -> Self:
        start_shielded(self._process)
        # While it is open here, nothing tells that the other end is gone.
        self._theirs.close()
        return self

    def head(self) -> ParquetHead:
        """Return what the footer says; to be called first."""
        # The last argument is for systems where a handle must be made for the other process.
        head: ParquetHead = self._request(
            lambda: send_handle(self._connection, self._file.fileno(), 0)
        )
        return head

    def values(self, names: Sequence[str]) -> Mapping[str, list[Any]]:
        """Return the values of columns, None for null; to be called last, and once."""
        values: Mapping[str, list[Any]] = orjson.loads(
            self._request(lambda: self._connection.send(names))
        )
        return values

    def _request(self, ask: Callable[[], object]) -> Any:  # noqa: ANN401  of either kind
        try:
            ask()
            reply = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            raise ParquetRefusal(_end_of(self._process.exitcode or 0, self._limits)) from None
        if isinstance(reply, ParquetRefusal):
            raise reply
        return reply

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.kill()
        self._process.join()
        self._process.close()


def _enter(connection: Connection, limits: ParquetLimits) -> None:
    # Large, and needed in that process only.
    from service.calls.batch_files.parquet_reader import serve  # noqa: PLC0415

    serve(connection, limits)
    # At once: to free a million values one by one takes a fifth of the time.
    os._exit(0)


def _end_of(code: int, limits: ParquetLimits) -> str:
    """Return why a process that read gave nothing.

    Examples
    --------
    >>> _end_of(-6, ParquetLimits())
    'Expected Parquet, got a file whose reader crashed (SIGABRT): write it anew, it may be damaged.'
    """
    name = signal.Signals(-code).name if code < 0 else f"status {code}"
    why = {
        "SIGXCPU": f"took more than {limits.cpu_s} s of the processor",
        "SIGKILL": "was killed, as a rule for want of memory",
    }.get(name, f"crashed ({name})")
    return f"Expected Parquet, got a file whose reader {why}: write it anew, it may be damaged."
