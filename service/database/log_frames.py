"""Frames of the log beside an SQLite file: which are there, and which are as they were written.

The format is that of https://sqlite.org/fileformat2.html#the_write_ahead_log.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Frames = npt.NDArray[np.uint8]
"""Bytes of frames, of shape (frames, bytes of each)."""
Sums = npt.NDArray[np.uint32]
"""Checksums and what is added up for them, modulo 2**32."""

HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24
SALTS = slice(16, 24)
"""Place of the salts in a log's header: what each frame of this log has, and none of another."""
_MAGIC = frozenset({b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"})
_FIRST_FRAMES, _BLOCK_BYTES = 4, 2**20
"""How many frames are read first, and how much at once where more and more follow."""
_NOT_SUMMED = range(2, 6)
"""Words of a frame's head that its checksum leaves out: salts, and itself."""


def is_header(header: bytes) -> bool:
    """Return whether it is one, by its checksum: of one that was cut there may be a part."""
    if len(header) < HEADER_BYTES or header[:4] not in _MAGIC:
        return False
    words = np.frombuffer(header[:24], _order(header)).astype(np.uint32)
    own, _ = _factors(len(words))
    return bool((words @ own == np.frombuffer(header[24:], ">u4")).all())


def frame_bytes(header: bytes) -> int:
    """Return the size of a frame: a page and what is said of it [bytes]."""
    return FRAME_HEADER_BYTES + int.from_bytes(header[8:12], "big")


def blocks(descriptor: int, header: bytes, at: int) -> Iterator[Frames]:
    """Give the frames from a place on, each all its bytes long, in blocks that grow.

    While a block is read or summed up, other threads run.
    """
    size, count = frame_bytes(header), _FIRST_FRAMES
    while whole := len(read := os.pread(descriptor, count * size, at)) // size:
        yield as_frames(read[: whole * size], header)
        if whole < count:
            break
        at, count = at + len(read), min(2 * count, max(1, _BLOCK_BYTES // size))


def as_frames(read: bytes, header: bytes) -> Frames:
    """Return the frames that some bytes of a log of that header are."""
    return np.frombuffer(read, np.uint8).reshape(-1, frame_bytes(header))


def until_false(flags: Flags) -> int:
    """Return how many are true before the first that is not."""
    return len(flags) if flags.all() else int(flags.argmin())


def are_frames(frames: Frames, header: bytes) -> Flags:
    """Return of each whether it has the head of a frame of that log."""
    salts = np.frombuffer(header[SALTS], np.uint8)
    found: Flags = frames[:, :4].any(axis=1) & (frames[:, 8:16] == salts).all(axis=1)
    return found


def are_commits(frames: Frames) -> Flags:
    """Return of each whether a commit ends with it."""
    found: Flags = np.asarray(frames[:, 4:8].any(axis=1))
    return found


def are_whole(frames: Frames, header: bytes, before: Sums) -> Flags:
    """Return of frames in a row whether each is as it was written, by its checksum.

    The sum of a frame goes on from that of the one `before`, and the first one's from the header's.
    """
    sums = sums_of(frames)
    words = frames.view(_order(header)).astype(np.uint32, copy=False)
    own, carried = _factors(words.shape[1] - len(_NOT_SUMMED))
    own = np.insert(own, [_NOT_SUMMED.start] * len(_NOT_SUMMED), 0, axis=0)
    found = words @ own + np.vstack([before, sums])[:-1] @ carried
    whole: Flags = (found == sums).all(axis=1)
    return whole


def sums_of(frames: Frames) -> Sums:
    """Return the checksums of frames as they say them, of shape (frames, 2)."""
    return np.ascontiguousarray(frames[:, 16:24]).view(">u4").astype(np.uint32)


def _order(header: bytes) -> str:
    """Return in which order the bytes of a word count, which its magic number's last bit says."""
    return ">u4" if header[3] & 1 else "<u4"


@lru_cache(maxsize=4)
def _factors(count: int) -> tuple[Sums, Sums]:
    """Return the factors of words in the checksum after them, and of the checksum before them.

    Its two numbers take in a word and each other in turn, so the factor that a word has in the end
    is a Fibonacci number; all modulo 2**32. The shapes are (count, 2) and (2, 2).
    """
    numbers = [0, 1]
    while len(numbers) < count + 2:
        numbers.append((numbers[-1] + numbers[-2]) % 2**32)
    found = np.array(numbers, np.uint32)
    own = np.stack([found[:count][::-1], found[1 : count + 1][::-1]], axis=1)
    return own, np.array([found[-3:-1], found[-2:]])
