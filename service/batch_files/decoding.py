"""From the bytes of a file to those that readers take: inflated, and text in UTF-8."""

from __future__ import annotations

import codecs
import zlib

from service.batch_files.batch_file import BatchFileError

MAX_INFLATED_BYTES = 4 * 1024**3
"""Of a compressed file: more is no batch, but a bomb."""

GZIP = b"\x1f\x8b"
_STEP = 16 * 1024 * 1024
# The four-byte marks first: those of UTF-16 are their beginnings.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def inflated(data: bytes, max_bytes: int = MAX_INFLATED_BYTES) -> bytes:
    """Return what a gzip'd file holds, of one member or of several; other bytes as they are.

    Raises
    ------
    BatchFileError
        Where it is damaged, or holds more than `max_bytes`.
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


def in_utf8(data: bytes) -> bytes:
    """Return text in UTF-8; UTF-16 and UTF-32 are known by their marks, UTF-16 by its zeros too.

    Text in UTF-8 stays as it is, with the mark that it may begin with.

    Raises
    ------
    BatchFileError
        Where it is none of these.

    Examples
    --------
    >>> in_utf8("a,b".encode("utf-16")), in_utf8("a,b".encode("utf-16-le"))
    (b'a,b', b'a,b')
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None and len(data) >= 2 and 0 in data[:2] and data[:2] != b"\0\0":
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
    try:
        if encoding is not None:
            return data.decode(encoding).encode()
        data.decode()
    except UnicodeError as error:
        at = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise BatchFileError(
            f"Expected text in UTF-8 or UTF-16, got bytes{at} that are neither: save it as UTF-8."
        ) from None
    return data
