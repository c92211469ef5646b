"""From the bytes of a file to those that readers take: inflated, and text in UTF-8."""

from __future__ import annotations

import zlib

from costmodel.encodings import WINDOWS_1252, decoded
from planner.result import PlanWarning
from service.calls.batch_files.batch_file import BatchFileError

MAX_INFLATED_BYTES = 4 * 1024**3
"""A compressed file that holds more is no batch, but a bomb."""

GZIP = b"\x1f\x8b"
_STEP = 16 * 1024 * 1024


def inflated(data: bytes, max_bytes: int = MAX_INFLATED_BYTES) -> bytes:
    """Return what a gzip'd file holds, of one member or of several; other bytes as they are.

    A BatchFileError is raised where it is damaged, or holds more than `max_bytes`.
    """
    if not data.startswith(GZIP):
        return data
    parts: list[bytes] = []
    size = 0
    try:
        while data.startswith(GZIP):
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                part = member.decompress(data, _STEP)
                data = member.unconsumed_tail
                size += len(part)
                if size > max_bytes:
                    raise BatchFileError(f"Expected at most {max_bytes} bytes in the gzip'd file.")
                if not part and not data and not member.eof:
                    raise BatchFileError("Expected a whole gzip'd file, got one that is cut off.")
                parts.append(part)
            # Some writers fill the end up with zeros.
            data = member.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise BatchFileError(f"Expected a gzip'd file, got a damaged one: {error}.") from None
    if data:
        raise BatchFileError("Expected nothing after the end of the gzip'd file.")
    return b"".join(parts)


def read_text(data: bytes) -> tuple[str, tuple[PlanWarning, ...]]:
    """Return the text of a table, with a warning where its encoding is a guess.

    A BatchFileError is raised where the bytes are no text.
    """
    text, encoding = _decoded(data)
    if encoding != WINDOWS_1252:
        return text, ()
    message = (
        f"Read as {WINDOWS_1252}, since it is no UTF-8: ids with other letters may come out wrong."
    )
    return text, (PlanWarning("encoding_supposed", message),)


def in_utf8(data: bytes) -> bytes:
    """Return JSON in UTF-8; what is so already stays as it is, with the mark that it may have.

    A BatchFileError is raised where it is neither that nor UTF-16 or UTF-32: JSON is in
    Unicode.
    """
    text, encoding = _decoded(data)
    if encoding.startswith("utf-8"):
        return data
    if encoding != WINDOWS_1252:
        return text.encode()
    at = next(place for place, letter in enumerate(text) if letter > "\x7f")
    raise BatchFileError(
        f"Expected JSON in UTF-8, got byte {data[at]:#04x} at byte {at}, which is {text[at]!r} in "
        f"{WINDOWS_1252}. Convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW."
    )


def _decoded(data: bytes) -> tuple[str, str]:
    try:
        return decoded(data)
    except UnicodeError as error:
        raise BatchFileError(f"Expected text, got {error}.") from None
