"""From columns of Arrow to values as JSON has them, and what they take until they are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types


def text_bytes(column: pa.Array) -> int:
    """Return the bytes of the texts in a column, as often as they stand in it."""
    kind = column.type
    if types.is_dictionary(kind):
        if not is_text(kind.value_type):
            return 0
        lengths = pc.binary_length(column.dictionary).cast("int64")
        return pc.sum(lengths.take(column.indices)).as_py() or 0
    if is_text(kind):
        return pc.sum(pc.binary_length(column).cast("int64")).as_py() or 0
    if types.is_list(kind) or types.is_large_list(kind):
        return text_bytes(column.flatten())
    if types.is_struct(kind):
        return sum(text_bytes(child) for child in column.flatten())
    return 0


def values_of(column: pa.Array) -> list[Any]:
    """Return values as JSON has them: sums of integers are decimals where databases write them.

    What is not a number is None: pandas has no other null among floats.

    Examples
    --------
    >>> values_of(pa.array([1.5, float("nan"), None]))
    [1.5, None, None]
    >>> values_of(pa.array([["a", "b"], None], pa.list_(pa.dictionary(pa.int8(), pa.string()))))
    [['a', 'b'], None]
    """
    # Arrow makes Python's lists of dictionaries value by value, five times as slowly as of texts.
    column = column.cast(_spelt_out(column.type))
    if types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    values: list[Any] = column.to_pylist()
    return list(map(_number, values)) if types.is_decimal(column.type) else values


def _number(value: Decimal | None) -> float | int | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def _spelt_out(kind: pa.DataType) -> pa.DataType:
    """Return a type without dictionaries."""
    if types.is_dictionary(kind):
        return kind.value_type
    if types.is_list(kind) or types.is_large_list(kind):
        of = pa.list_ if types.is_list(kind) else pa.large_list
        return of(kind.value_field.with_type(_spelt_out(kind.value_type)))
    if types.is_struct(kind):
        return pa.struct([child.with_type(_spelt_out(child.type)) for child in kind])
    return kind


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of a type are text."""
    return bool(types.is_string(kind) or types.is_large_string(kind))


def may_count(kind: pa.DataType) -> bool:
    """Return whether values of a type are numbers or nothing."""
    numbers = (types.is_integer, types.is_floating, types.is_decimal)
    return any(test(kind) for test in (*numbers, types.is_null))


def is_json(kind: pa.DataType) -> bool:
    """Return whether values of a type are numbers, text, or lists and structures of such."""
    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind):
        return is_json(kind.value_type)
    if types.is_struct(kind):
        return all(is_json(child.type) for child in kind)
    return may_count(kind) or is_text(kind)
