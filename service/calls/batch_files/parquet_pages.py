"""The headers of the pages of a Parquet file, read without what the pages hold.

A page says what it holds once it is decompressed, and how many values. What a reader allocates goes
by that, not by the footer, which may say less. Thrift's compact protocol and the fields are those
of github.com/apache/parquet-format, `parquet.thrift`, `PageHeader`.
"""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap

Data = bytes | mmap

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_UNCOMPRESSED_SIZE, _COMPRESSED_SIZE = 2, 3
_DATA_PAGE, _DATA_PAGE_V2 = 5, 8
_NUM_VALUES = 1
_MAX_DEPTH = 8


@dataclass(frozen=True)
class Pages:
    """What the pages of a column in a row group say together: bytes inflated, and values.

    Dictionaries count among the bytes, not among the values; nulls are values.
    """

    uncompressed_bytes: int
    values: int


def read_pages(data: Data, start: int, end: int) -> Pages:
    """Return what the pages between two places of a file say; ValueError where they do not fit."""
    size = values = 0
    at = start
    if not 0 <= start <= end <= len(data):
        raise ValueError("a column outside the file")
    while at < end:
        reader = _Compact(data, at, end)
        header = reader.struct()
        inflated, stored = (_whole(header, key) for key in (_UNCOMPRESSED_SIZE, _COMPRESSED_SIZE))
        size += inflated
        for key in (_DATA_PAGE, _DATA_PAGE_V2):
            inner = header.get(key)
            values += _whole(inner, _NUM_VALUES) if isinstance(inner, dict) else 0
        at = reader.at + stored
    if at != end:
        raise ValueError("a page that ends outside its column")
    return Pages(size, values)


def _whole(header: dict[int, object], key: int) -> int:
    value = header.get(key)
    if not isinstance(value, int) or value < 0:
        raise ValueError("a page without its size")
    return value


class _Compact:
    """Reads a struct of Thrift's compact protocol: whole numbers and structs; others are skipped.

    `at` is the byte after what was read.
    """

    def __init__(self, data: Data, at: int, end: int) -> None:
        self._data = data
        self._end = end
        self.at = at

    def struct(self, depth: int = 0) -> dict[int, object]:
        """Return the fields by their numbers."""
        if depth > _MAX_DEPTH:
            raise ValueError("a page header of too many levels")
        fields: dict[int, object] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> object:
        if kind in (_TRUE, _FALSE):
            return None
        if kind in (_I16, _I32, _I64):
            return self._signed()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        widths = {_BYTE: 1, _DOUBLE: 8}
        self._skip(widths[kind] if kind in widths else self._length(kind))
        return None

    def _length(self, kind: int) -> int:
        if kind != _BINARY:
            raise ValueError("a page header of an unknown form")
        return self._unsigned()

    def _skip(self, count: int) -> None:
        if count > self._end - self.at:
            raise ValueError("a page header that is cut off")
        self.at += count

    def _byte(self) -> int:
        self._skip(1)
        return self._data[self.at - 1]

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a page header with a number that does not end")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
