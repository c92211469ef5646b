"""Text of files in whatever encoding: by its mark, by its zeros, as UTF-8, else as Windows-1252."""

from __future__ import annotations

import codecs

WINDOWS_1252 = "Windows-1252"
"""What spreadsheets of the West write that write no Unicode; all of Latin 1 that is text."""
# The four-byte marks first: those of UTF-16 are their beginnings.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PACKED = (
    (b"\x1f\x8b", "a file packed by gzip: gunzip it first"),
    (b"PK\x03\x04", "a spreadsheet or an archive (zip): save the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet of old Excel: save the table as CSV"),
    (b"PAR1", "Parquet, by its first bytes: name it so, or save the table as CSV"),
)
"""What begins files that are no text, and what to do with them."""
# Five of its bytes mean nothing there; who writes them means what Latin 1 has.
_UNDEFINED = {0xDC00 + byte: byte for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}


def decoded(content: bytes) -> tuple[str, str]:
    r"""Return the text of a file, without the mark that it may begin with, and its encoding.

    Raises
    ------
    UnicodeError
        If it breaks the encoding that its mark or its zeros show, holds bytes of zero, or is
        packed; it says what to do.

    Examples
    --------
    >>> decoded("a,b".encode("utf-16")), decoded("a,b".encode("utf-16-le"))
    (('a,b', 'utf-16'), ('a,b', 'utf-16-le'))
    >>> decoded(b"\xef\xbb\xbfa,\xc3\xa9"), decoded(b"\x80 5, \xe9, \x81")
    (('a,é', 'utf-8-sig'), ('€ 5, é, \x81', 'Windows-1252'))
    """
    packed = next((reason for mark, reason in _PACKED if content.startswith(mark)), None)
    if packed is not None:
        raise UnicodeError(packed)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if encoding is None and len(content) >= 2 and 0 in content[:2] and content[:2] != b"\0\0":
        encoding = "utf-16-be" if content[0] == 0 else "utf-16-le"
    if encoding is None:
        text, encoding = _unmarked(content)
    else:
        text = content.decode(encoding)
    if "\0" in text:
        raise UnicodeError("bytes of zero, as in a binary file")
    return text, encoding


def _unmarked(content: bytes) -> tuple[str, str]:
    try:
        return content.decode(), "utf-8"
    except UnicodeDecodeError:
        return content.decode("cp1252", "surrogateescape").translate(_UNDEFINED), WINDOWS_1252
