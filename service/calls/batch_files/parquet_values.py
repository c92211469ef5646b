"""From columns of Arrow to values as JSON has them, and what they take until they are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from costmodel.arrays import IntArray


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


def in_plain_types(column: pa.Array) -> pa.Array:
    """Return a column without dictionaries, and with floats for the decimals in its values.

    Arrow makes Python's lists of dictionaries value by value, five times as slowly as of texts.

    Examples
    --------
    >>> in_plain_types(pa.array([[Decimal("1.5"), None]])).to_pylist()
    [[1.5, None]]
    """
    return column.cast(_spelt_out(column.type))


def infinite_rows(column: pa.Array) -> IntArray:
    """Return which rows hold infinity, in their lists and structures too; a row may be repeated.

    Examples
    --------
    >>> infinite_rows(pa.array([[{"p90": 1.0}], None, [{"p90": 2.0}, {"p90": float("inf")}]]))
    array([2])
    """
    kind = column.type
    if types.is_floating(kind):
        numbers = column.fill_null(0.0).to_numpy(zero_copy_only=False)
        return np.flatnonzero(np.isinf(numbers))
    if types.is_list(kind) or types.is_large_list(kind):
        rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
        return np.asarray(rows[infinite_rows(column.flatten())], dtype=np.int64)
    children = column.flatten() if types.is_struct(kind) else []
    return np.concatenate([np.empty(0, np.int64), *map(infinite_rows, children)])


def values_of(column: pa.Array) -> list[Any]:
    """Return the values of `in_plain_types` as JSON has them: decimals as numbers, nan as None.

    Databases write sums of integers as decimals, and pandas has no other null among floats than
    nan.

    Examples
    --------
    >>> values_of(pa.array([1.5, float("nan"), None]))
    [1.5, None, None]
    >>> values_of(pa.array([Decimal(472), Decimal(10**30)]))
    [472, 1e+30]
    """
    if types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    values: list[Any] = column.to_pylist()
    return list(map(_number, values)) if types.is_decimal(column.type) else values


def _number(value: Decimal | None) -> float | int | None:
    if value is None:
        return None
    # JSON has no integers of more than 64 bits here, and nothing that is meant is as large.
    whole = value == value.to_integral_value() and abs(value) < 2**63
    return int(value) if whole else float(value)


def _spelt_out(kind: pa.DataType) -> pa.DataType:
    """Return a type without dictionaries, and without decimals below the uppermost level."""
    if types.is_dictionary(kind):
        return kind.value_type
    if types.is_list(kind) or types.is_large_list(kind):
        of = pa.list_ if types.is_list(kind) else pa.large_list
        return of(kind.value_field.with_type(_inner(kind.value_type)))
    if types.is_struct(kind):
        return pa.struct([child.with_type(_inner(child.type)) for child in kind])
    return kind


def _inner(kind: pa.DataType) -> pa.DataType:
    return pa.float64() if types.is_decimal(kind) else _spelt_out(kind)


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
