"""The log beside an SQLite file, as it lies on the disk: whether what was written is still there.

SQLite does not look. It knows by heart how long its log is, writes on behind a hole, and copies the
hole's zeros into the database; whoever opens the file next reads up to the first frame that is not
whole. So all that was acknowledged later is lost, silently. The format is that of
https://sqlite.org/fileformat2.html#the_write_ahead_log.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

Identity = tuple[int, int] | None
"""Device and number of a file; None where there is none."""

_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_MAGIC = frozenset({b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"})
_SUMS = struct.Struct(">2I")
#: Up to the salts, which are those of the log; numbers as the machine has them.
_INDEX_HEADER = struct.Struct("=16xI12x8s")


class HarmedLogError(Exception):
    """Raised where a log lacks what was written to it; the message says what is wrong."""


@dataclass(frozen=True)
class LogState:
    """What a log held when it was looked at.

    Attributes
    ----------
    identity
        Of the file.
    header
        Its first bytes; empty where nothing was written yet.
    end
        Where the last frame of its last commit ends [bytes].
    last_frame
        That frame, or nothing.
    frames
        How many it has up to there.
    """

    identity: Identity = None
    header: bytes = b""
    end: int = 0
    last_frame: bytes = b""
    frames: int = 0

    @property
    def salts(self) -> bytes:
        """What each frame of this log has, and none of another."""
        return self.header[16:24]

    @property
    def page_bytes(self) -> int:
        """Size of a page of its database [bytes]; 0 where nothing was written yet."""
        return int.from_bytes(self.header[8:12], "big")

    @property
    def database_bytes(self) -> int:
        """Size of the database after the last commit [bytes]; 0 where there was none."""
        return int.from_bytes(self.last_frame[4:8], "big") * self.page_bytes

    @property
    def frame_bytes(self) -> int:
        """Size of a frame: a page and what is said of it [bytes]."""
        return _FRAME_HEADER_BYTES + self.page_bytes


EMPTY = LogState()


def look_at_log(path: Path, before: LogState = EMPTY) -> LogState:
    """Return what a log holds, and read of it what is new.

    A log that was begun again held nothing that is not in the database.

    Parameters
    ----------
    path
        Of the log.
    before
        What it was found to hold; `EMPTY` to read all of it.

    Raises
    ------
    HarmedLogError
        Where it lacks what it held before.
    """
    with _opened(path) as descriptor:
        if descriptor is None:
            if before.identity is None:
                return EMPTY
            raise HarmedLogError("its log was deleted")
        found = os.fstat(descriptor)
        identity = found.st_dev, found.st_ino
        if before.identity not in {None, identity}:
            raise HarmedLogError("its log was replaced")
        header = os.pread(descriptor, _HEADER_BYTES, 0)
        if header != before.header or not header:
            if _is_header(header):
                return _followed(descriptor, LogState(identity, header, _HEADER_BYTES))
            if before.end:
                raise HarmedLogError(f"its log of {before.end} bytes has {found.st_size}")
            return LogState(identity)
        last = os.pread(descriptor, len(before.last_frame), before.end - len(before.last_frame))
        if last != before.last_frame:
            size = found.st_size
            raise HarmedLogError(f"its log, written up to {before.end}, has {size} bytes or a hole")
        return _followed(descriptor, before)


def check_log(path: Path, before: LogState) -> None:
    """Read all of a log again.

    Raises
    ------
    HarmedLogError
        Where it lacks what it held before, in its midst too.
    """
    found = look_at_log(path, LogState(before.identity))
    if found.header == before.header and found.end < before.end:
        raise HarmedLogError(f"its log has a hole at {found.end}")


def check_left_log(path: Path, index_path: Path) -> None:
    """See whether a log that nobody has open is as who wrote it left it, though it was killed.

    Parameters
    ----------
    path
        Of the log.
    index_path
        Of its index, which says how many frames were committed; it may not be there.

    Raises
    ------
    HarmedLogError
        Where the index knows of frames that are not in the log, or some lie behind a hole.
    """
    committed, salts = _committed(index_path)
    found = look_at_log(path)
    if not found.header:
        return
    # Of a log that was begun again, or emptied into its database, the index says nothing.
    if salts == found.salts and committed > found.frames:
        raise HarmedLogError(f"its log has {found.frames} frames of {committed}")
    # What another process has just written is no hole.
    if _has_commits_beyond(path, found) and look_at_log(path).end == found.end:
        raise HarmedLogError(f"its log has a hole at {found.end}")


def spoil_harmed_frames(descriptor: int, state: LogState) -> None:
    """Let SQLite read no page of the frames that are not as they were written.

    It does not look at their checksums, and a page of which a part is zeros passes for one.

    Parameters
    ----------
    descriptor
        Of the log that SQLite has open, and that nobody else will read.
    state
        What was written to it.
    """
    before: bytes | None = state.header[8:]
    for at in range(_HEADER_BYTES, state.end, state.frame_bytes):
        frame = os.pread(descriptor, state.frame_bytes, at)
        known, before = before, None
        if _is_frame(frame, state):
            before = frame
            if known is None or _is_whole(frame, state, known):
                continue
        spoiled = b"\xff" * max(0, len(frame) - _FRAME_HEADER_BYTES)
        os.pwrite(descriptor, spoiled, at + _FRAME_HEADER_BYTES)


def _committed(index_path: Path) -> tuple[int, bytes]:
    """Return how many frames an index knows of, and the salts of their log."""
    try:
        index = index_path.read_bytes()[: _INDEX_HEADER.size]
    except FileNotFoundError:
        return 0, b""
    return _INDEX_HEADER.unpack(index) if len(index) == _INDEX_HEADER.size else (0, b"")


def _has_commits_beyond(path: Path, state: LogState) -> bool:
    """Return whether commits of the same log lie behind where commits end to follow each other."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        frames = (
            os.pread(file.fileno(), state.frame_bytes, at)
            for at in range(state.end, size, state.frame_bytes)
        )
        return any(_is_frame(frame, state) and _is_commit(frame) for frame in frames)


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _followed(descriptor: int, state: LogState) -> LogState:
    """Return how far commits follow each other, from where they were known to.

    Frames that no commit follows belong to one that is being written, or was rolled back.
    """
    end, frames, last = at, number, before = state.end, state.frames, state.last_frame
    before = before or state.header[8:]
    while _is_frame(frame := os.pread(descriptor, state.frame_bytes, at), state):
        if not _is_whole(frame, state, before):
            break
        at, number, before = at + len(frame), number + 1, frame
        if _is_commit(frame):
            end, frames, last = at, number, frame
    return replace(state, end=end, last_frame=last, frames=frames)


def _is_frame(frame: bytes, state: LogState) -> bool:
    """Return whether it has all its bytes and the head of a frame of that log."""
    whole = len(frame) == state.frame_bytes
    return whole and frame[:4] != bytes(4) and frame[8:16] == state.salts


def _is_commit(frame: bytes) -> bool:
    return frame[4:8] != bytes(4)


def _is_whole(frame: bytes, state: LogState, before: bytes) -> bool:
    """Return whether a frame is as it was written, by its checksum and that of the one before."""
    part = frame[:8] + frame[_FRAME_HEADER_BYTES:]
    return _checksum(state.header, part, before[16:24]) == _SUMS.unpack(frame[16:24])


def _is_header(header: bytes) -> bool:
    """Return whether it is one, by its checksum: of one that was cut there may be a part."""
    if len(header) < _HEADER_BYTES or header[:4] not in _MAGIC:
        return False
    return _checksum(header, header[:24], bytes(8)) == _SUMS.unpack(header[24:])


def _checksum(header: bytes, part: bytes, before: bytes) -> tuple[int, int]:
    """Return the checksum of a log up to the end of a part, from that before the part.

    Its two numbers take in a word and each other in turn, so the factor that a word has in the end
    is a Fibonacci number; all modulo 2**32.
    """
    # The last bit of the magic number says in which order the bytes of a word count.
    words = np.frombuffer(part, ">u4" if header[3] & 1 else "<u4").astype(np.uint32)
    count = len(words)
    factors = _fibonacci(count + 2)
    first, second = _SUMS.unpack(before)
    last, this, following = (int(one) for one in factors[-3:])
    return (
        (int(words @ factors[:count][::-1]) + last * first + this * second) % 2**32,
        (int(words @ factors[1 : count + 1][::-1]) + this * first + following * second) % 2**32,
    )


@lru_cache(maxsize=4)
def _fibonacci(count: int) -> npt.NDArray[np.uint32]:
    numbers = [0, 1]
    while len(numbers) < count:
        numbers.append((numbers[-1] + numbers[-2]) % 2**32)
    return np.array(numbers, np.uint32)
