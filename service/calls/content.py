"""Bodies that are too large to be copied from hand to hand: files that have no name.

They live in memory where the system has such files, and vanish with the last process that holds
one, however it ends. The event loop appends what arrives and reads what leaves, a chunk at a time;
between processes only the descriptor travels.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from typing import TypeAlias

MAX_INLINE_BYTES = 65536
"""Bytes that a body may have and still be handled as `bytes`."""
READ_BYTES = 262144
"""Bytes that are read at a time: some tens of microseconds."""


class AnonymousFile:
    """A file without a name, appended to by one process and then read by another.

    The descriptor of the open file, which has `size` bytes, is this object's from now on.

    Examples
    --------
    >>> file = AnonymousFile.create()
    >>> file.write(b"ab")
    >>> file.write(b"c")
    >>> file.size, file.content(), list(file.chunks())
    (3, b'abc', [b'abc'])
    >>> len(file)
    3
    """

    def __init__(self, descriptor: int, size: int = 0) -> None:
        self._descriptor = descriptor
        self.size = size
        self._close = weakref.finalize(self, os.close, descriptor)

    @classmethod
    def create(cls) -> AnonymousFile:
        """Return an empty one, in memory where the system can."""
        if hasattr(os, "memfd_create"):
            return cls(os.memfd_create("jouleplan", os.MFD_CLOEXEC))
        with tempfile.TemporaryFile() as named:
            return cls(os.dup(named.fileno()))

    def __len__(self) -> int:
        return self.size

    @property
    def closed(self) -> bool:
        """Whether this process has let go of it."""
        return not self._close.alive

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def close(self) -> None:
        """Let go of it; what other processes hold stays. Happens by itself with the object."""
        self._close()

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._descriptor, rest, self.size)
            self.size += written
            rest = rest[written:]

    def chunks(self, size: int = READ_BYTES, start: int = 0) -> Iterator[bytes]:
        """Yield the content from `start` on, `size` bytes at a time."""
        for position in range(start, self.size, size):
            yield os.pread(self._descriptor, size, position)

    def content(self) -> bytes:
        """Return the whole content: a copy."""
        return b"".join(self.chunks())

    def mapped(self) -> mmap.mmap:
        """Return the content as read-only memory, without a copy; there must be some."""
        return mmap.mmap(self._descriptor, self.size, access=mmap.ACCESS_READ)


Content: TypeAlias = bytes | AnonymousFile
"""A body: itself where it is small, else a file."""


def to_bytes(content: Content) -> bytes:
    """Return a body as bytes, whichever way it is held."""
    return content if isinstance(content, bytes) else content.content()


def chunks(content: Content, size: int = READ_BYTES) -> Iterator[bytes]:
    """Yield a body, `size` bytes at a time.

    Examples
    --------
    >>> list(chunks(b"abc", 2))
    [b'ab', b'c']
    """
    if isinstance(content, bytes):
        return (content[start : start + size] for start in range(0, len(content), size))
    return content.chunks(size)


def collect(pieces: Iterable[bytes]) -> Content:
    """Return chunks as one body, in a file as soon as they are more than is handled inline.

    Examples
    --------
    >>> collect([b"a", b"b"])
    b'ab'
    >>> collect([b"a" * 50_000, b"b" * 50_000]).size
    100000
    """
    small: list[bytes] = []
    file: AnonymousFile | None = None
    held = 0
    for piece in pieces:
        held += len(piece)
        if file is None and held > MAX_INLINE_BYTES:
            file = AnonymousFile.create()
            file.write(b"".join(small))
        if file is None:
            small.append(piece)
        else:
            file.write(piece)
    return b"".join(small) if file is None else file
