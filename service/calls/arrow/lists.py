"""Lists of names in Arrow columns, grouped without making a Python list of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from costmodel.arrays import IntArray
from service.calls.allowed_names import AllowedNames, Names

MAX_NAMES = 256
"""Names of one request; the schema takes no more, nor does it pay to group longer lists."""


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of a type are text, dictionary-encoded or not."""
    if kinds.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def longest_text(column: pa.Array) -> int:
    """Return the bytes of the longest text, in the dictionary where there is one."""
    texts = column.dictionary if kinds.is_dictionary(column.type) else column
    if kinds.is_string_view(texts.type):
        texts = texts.cast(pa.large_string())
    return pc.max(pc.binary_length(texts)).as_py() or 0


def distinct_lists(column: pa.Array) -> AllowedNames:
    """Return a column of lists of texts with each distinct list once.

    Lists are the same where their names are, in order. They are grouped by length: the codes of a
    list's names, read as the digits of one number, are the list. Where that number would not fit,
    lists are compared one by one.
    """
    n = len(column)
    names, digits = _coded(column.values)
    starts = column.offsets.to_numpy()
    lengths = np.diff(starts)
    null = column.is_null().to_numpy(zero_copy_only=False)
    lengths[null] = -1
    codes = np.empty(n, dtype=np.int64)
    distinct: list[Names] = []
    for length in np.unique(lengths).tolist():
        members = np.flatnonzero(lengths == length)
        if length == -1:
            found: list[Names] = [None]
            codes[members] = len(distinct)
        elif length > MAX_NAMES or float(max(1, len(names))) ** length >= 2.0**62:
            one_by_one = AllowedNames.of(column.take(pa.array(members)).to_pylist())
            found = list(one_by_one.distinct)
            codes[members] = len(distinct) + one_by_one.codes
        else:
            where = starts[:-1][members]
            number = np.zeros(len(members), dtype=np.int64)
            for place in range(length):
                number = number * len(names) + digits[where + place]
            _, first, group = np.unique(number, return_index=True, return_inverse=True)
            found = [_names(names, digits, where[index], length) for index in first]
            codes[members] = len(distinct) + group
        distinct += found
    return AllowedNames(codes, tuple(distinct))


def _coded(texts: pa.Array) -> tuple[list[Any], IntArray]:
    """Return the distinct texts, None among them where one is null, and the code of each text."""
    if kinds.is_string_view(texts.type):
        texts = texts.cast(pa.large_string())
    encoded = texts if kinds.is_dictionary(texts.type) else texts.dictionary_encode()
    names = [*encoded.dictionary.to_pylist(), None]
    digits = encoded.indices.fill_null(len(names) - 1)
    return names, digits.to_numpy(zero_copy_only=False).astype(np.int64)


def _names(names: list[Any], digits: IntArray, start: int, length: int) -> Names:
    return tuple(names[digit] for digit in digits[start : start + length])
