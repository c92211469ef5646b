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
from pathlib import Path

import numpy as np

from service.database.log_frames import (
    FRAME_HEADER_BYTES,
    HEADER_BYTES,
    SALTS,
    Sums,
    are_commits,
    are_frames,
    are_whole,
    blocks,
    is_header,
    sums_of,
    until_false,
)

Identity = tuple[int, int] | None
"""Device and number of a file; None where there is none."""

_INDEX_HEADER = struct.Struct("=16xI12x8s")
"""The index up to the salts, which are those of the log; numbers as the machine has them."""


class HarmedLogError(Exception):
    """Raised where a log lacks what was written to it; the message says what is wrong."""


@dataclass(frozen=True)
class LogState:
    """What a log held when it was looked at.

    Attributes
    ----------
    identity
        Device and number of its file.
    header
        First bytes of the log; empty where nothing was written yet.
    end
        Where the last frame of its last commit ends [bytes].
    last_frame
        Bytes of that frame, or nothing.
    frames
        Frames that the log has up to there.
    """

    identity: Identity = None
    header: bytes = b""
    end: int = 0
    last_frame: bytes = b""
    frames: int = 0

    @property
    def salts(self) -> bytes:
        """What each frame of this log has, and none of another."""
        return self.header[SALTS]

    @property
    def page_bytes(self) -> int:
        """Size of a page of its database [bytes]; 0 where nothing was written yet."""
        return int.from_bytes(self.header[8:12], "big")

    @property
    def database_bytes(self) -> int:
        """Size of the database after the last commit [bytes]; 0 where there was none."""
        return int.from_bytes(self.last_frame[4:8], "big") * self.page_bytes


EMPTY = LogState()


def look_at_log(path: Path, before: LogState = EMPTY) -> LogState:
    """Return what a log holds, and read of it only what is new since it was as `before`.

    A log that was begun again held nothing that is not in the database.

    Raises
    ------
    HarmedLogError
        If it lacks what it held before.
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
        header = os.pread(descriptor, HEADER_BYTES, 0)
        if header != before.header or not header:
            if is_header(header):
                return _followed(descriptor, LogState(identity, header, HEADER_BYTES))
            if before.end:
                raise HarmedLogError(f"its log of {before.end} bytes has {found.st_size}")
            return LogState(identity)
        last = os.pread(descriptor, len(before.last_frame), before.end - len(before.last_frame))
        if last != before.last_frame:
            size = found.st_size
            raise HarmedLogError(f"its log, written up to {before.end}, has {size} bytes or a hole")
        return _followed(descriptor, before)


def check_log(path: Path, before: LogState) -> None:
    """Read all of a log again; raise `HarmedLogError` where it lacks something in its midst."""
    found = look_at_log(path, LogState(before.identity))
    if found.header == before.header and found.end < before.end:
        raise HarmedLogError(f"its log has a hole at {found.end}")


def check_left_log(path: Path, index_path: Path) -> None:
    """See whether a log that nobody has open is as its writer left it, though that was killed.

    Its index says how many frames were committed, where there is one.

    Raises
    ------
    HarmedLogError
        If the index knows of frames that are not in the log, or some lie behind a hole.
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

    It does not look at their checksums, and a page of which a part is zeros passes for one. The
    descriptor is that of the log that SQLite has open, and that nobody else will read.
    """
    at, before, known = HEADER_BYTES, _last_sums(LogState(header=state.header)), True
    for frames in blocks(descriptor, state.header, at):
        found, sums = are_frames(frames, state.header), sums_of(frames)
        # The checksum of a frame behind what is none cannot be known.
        checked = np.append(known, found[:-1])
        harmed = ~found | (checked & ~are_whole(frames, state.header, before))
        for index in np.flatnonzero(harmed):
            page = at + int(index) * frames.shape[1] + FRAME_HEADER_BYTES
            os.pwrite(descriptor, b"\xff" * state.page_bytes, page)
        at, before, known = at + frames.size, sums[-1], bool(found[-1])


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
        return any(
            bool((are_frames(frames, state.header) & are_commits(frames)).any())
            for frames in blocks(file.fileno(), state.header, state.end)
        )


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
    found, at, number, before = state, state.end, state.frames, _last_sums(state)
    for frames in blocks(descriptor, state.header, at):
        sound = until_false(are_frames(frames, state.header))
        sound = until_false(are_whole(frames[:sound], state.header, before))
        commits = np.flatnonzero(are_commits(frames[:sound])) + 1
        if len(commits):
            count = int(commits[-1])
            end, last = at + count * frames.shape[1], frames[count - 1].tobytes()
            found = replace(state, end=end, last_frame=last, frames=number + count)
        if sound < len(frames):
            break
        at, number, before = at + frames.size, number + sound, sums_of(frames)[-1]
    return found


def _last_sums(state: LogState) -> Sums:
    """Return the checksum of the last frame, or of the header where there is none."""
    sums = state.last_frame[16:24] or state.header[24:]
    return np.frombuffer(sums, ">u4").astype(np.uint32)
