"""The columns of an Arrow table as those of a batch, checked whole; the schema words complaints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.prompt_lengths import PromptLengths
from service.calls.allowed_names import AllowedNames
from service.calls.arrow.lists import distinct_lists, is_text, longest_text
from service.calls.batch import Batch
from service.calls.plain_columns import (
    CHOICES,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    REQUEST_ID,
    SCORE,
    SECONDS,
    Bounds,
    NotPlainError,
    check_quantile_names,
    pins_of,
    read_choices,
)
from service.calls.schema_complaints import complain_of_values
from service.calls.schemas.requests import Pin
from service.calls.token_columns import Estimates, from_lists
from service.problems import MAX_FIELD_ERRORS, Complaints, FieldError, pointer

MAX_ID_BYTES = 4 * int(REQUEST_ID.high)
"""Bytes of the longest id, in whatever letters."""

Read = TypeVar("Read")


def batch_of_table(table: pa.Table, found: Complaints) -> Batch | None:
    """Return the requests of a validated table; None where there are complaints, now in `found`."""
    repeated = [name for name in set(table.column_names) if table.column_names.count(name) > 1]
    for name in sorted(repeated):
        found.add(FieldError(pointer("columns", name), "Expected each column once."))
    if found:
        return None
    reader = _ColumnReader(table, found)
    inputs = reader.read("input_tokens", _prompts)
    output_tokens = reader.read("output_tokens", _estimates)
    ids = reader.read("id", _texts)
    llms, pools = reader.read("llms", _choices("llms")), reader.read("pools", _choices("pools"))
    min_quality = reader.read("min_quality", _numbers(SCORE))
    deadline_s = reader.read("deadline_seconds", _numbers(SECONDS))
    choices = reader.read("choices", _counts)
    pinned = reader.read("pinned", _pins)
    if found or inputs is None or output_tokens is None:
        return None
    input_tokens, prompts = inputs
    return Batch(
        by_row=False,
        given_ids=ids,
        input_tokens=input_tokens,
        prompts=prompts,
        output_tokens=output_tokens,
        llms=llms,
        pools=pools,
        min_quality=min_quality,
        deadline_s=deadline_s,
        choices=choices,
        pinned=pinned,
    )


class _WrongTypeError(TypeError):
    """A column is of no type that could hold the field."""


class _BadValuesError(ValueError):
    """The values of a column that `bad`, shape (n,), marks break the schema."""

    def __init__(self, bad: BoolArray) -> None:
        super().__init__()
        self.bad = bad


class _ColumnReader:
    """Reads columns that are there, and keeps what is to be complained of."""

    def __init__(self, table: pa.Table, found: Complaints) -> None:
        self._table = table
        self._found = found

    def read(self, name: str, convert: Callable[[pa.Array], Read]) -> Read | None:
        """Return a column converted; None where it is not there or is complained of."""
        if name not in self._table.column_names:
            return None
        column = self._table.column(name).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks)
        try:
            return convert(column)
        except _WrongTypeError as error:
            detail = f"Expected a column of {error}, got {column.type}."
            self._found.add(FieldError(pointer("columns", name), detail))
        except _BadValuesError as error:
            self._complain(name, column, np.flatnonzero(error.bad))
        return None

    def _complain(self, name: str, column: pa.Array, bad: IntArray) -> None:
        indices = [int(index) for index in bad[:MAX_FIELD_ERRORS]]
        values = [column[index].as_py() for index in indices]
        complaints = Complaints()
        complain_of_values(complaints, name, values, indices)
        self._found.add(*complaints.first, count=complaints.count + len(bad) - len(indices))


def _tokens(bounds: Bounds) -> Callable[[pa.Array], IntArray]:
    def convert(column: pa.Array) -> IntArray:
        column = _decoded(column)
        if not (kinds.is_integer(column.type) or kinds.is_floating(column.type)):
            raise _WrongTypeError("whole numbers")
        values = _filled(column, 0)
        _refuse(bounds.broken(values) | _nulls(column) | (values % 1 != 0))
        return np.asarray(values, dtype=np.int64)

    return convert


def _prompts(column: pa.Array) -> tuple[IntArray, PromptLengths | None]:
    """Return whole numbers, or lists of them for requests of several prompts."""
    if not (kinds.is_list(column.type) or kinds.is_large_list(column.type)):
        return _tokens(INPUT_TOKENS)(column), None
    counts = np.asarray(_filled(pc.list_value_length(column), 0), dtype=np.int64)
    _refuse(counts == 0)
    try:
        return from_lists(_tokens(INPUT_TOKENS)(column.flatten()), counts)
    except _BadValuesError as error:
        bad = np.logical_or.reduceat(error.bad, np.cumsum(counts) - counts)
        raise _BadValuesError(bad) from None
    except _WrongTypeError:
        raise _WrongTypeError("whole numbers, or of lists of them") from None


def _counts(column: pa.Array) -> IntArray | None:
    column = _decoded(column)
    return None if kinds.is_null(column.type) else _tokens(CHOICES)(pc.fill_null(column, 1))


def _estimates(column: pa.Array) -> IntArray | Estimates:
    """Return whole numbers, or quantiles by name from a struct of them."""
    if not kinds.is_struct(column.type):
        return _tokens(OUTPUT_TOKENS)(column)
    names = [field.name for field in column.type]
    try:
        check_quantile_names(names)
    except NotPlainError:
        raise _WrongTypeError("whole numbers, or of structs of quantiles, p01 to p99") from None
    children = dict(zip(names, column.flatten(), strict=True))
    found = {}
    for name, child in children.items():
        numbers = _numbers(OUTPUT_TOKENS)(child)
        if numbers is None or np.isnan(numbers).any():
            raise _WrongTypeError(f"quantiles without nulls in {name}")
        found[name] = numbers
    return cast(Estimates, found)


def _numbers(bounds: Bounds) -> Callable[[pa.Array], FloatArray | None]:
    def convert(column: pa.Array) -> FloatArray | None:
        column = _decoded(column)
        if kinds.is_null(column.type):
            return None
        if not (kinds.is_integer(column.type) or kinds.is_floating(column.type)):
            raise _WrongTypeError("numbers")
        nulls = _nulls(column)
        values = np.array(_filled(column, 0), dtype=np.float64)
        _refuse(bounds.broken(values) & ~nulls)
        values[nulls] = np.nan
        return values

    return convert


def _texts(column: pa.Array) -> list[str | None]:
    if not is_text(column.type):
        raise _WrongTypeError("text")
    if longest_text(column) > MAX_ID_BYTES:
        raise _WrongTypeError(f"texts of at most {REQUEST_ID.high:g} characters")
    column = _decoded(column)
    lengths = _filled(pc.utf8_length(column), 0)
    _refuse(REQUEST_ID.broken(lengths) | _nulls(column))
    texts: list[str | None] = column.to_numpy(zero_copy_only=False).tolist()
    return texts


def _pins(column: pa.Array) -> list[Pin | None] | None:
    if kinds.is_null(column.type):
        return None
    if not kinds.is_struct(column.type):
        raise _WrongTypeError("pins, structs of llm, pool, concurrency and device_index")
    for field in column.type:
        if is_text(field.type) and longest_text(column.field(field.name)) > MAX_ID_BYTES:
            raise _WrongTypeError("pins with names of at most 96 characters")
    values = column.to_pylist()
    try:
        return pins_of(values)
    except NotPlainError:
        complaints = _wrong("pinned", values)
    _refuse(np.array(complaints, dtype=bool))
    raise _WrongTypeError("pins")


def _choices(name: str) -> Callable[[pa.Array], AllowedNames | None]:
    def convert(column: pa.Array) -> AllowedNames | None:
        if kinds.is_null(column.type):
            return None
        is_list = kinds.is_list(column.type) or kinds.is_large_list(column.type)
        if is_list and kinds.is_null(column.type.value_type):
            column = column.cast(pa.large_list(pa.string()))
        if not (is_list and is_text(column.type.value_type)):
            raise _WrongTypeError("lists of names")
        choices = distinct_lists(column)
        try:
            return read_choices(name, choices)
        except NotPlainError:
            wrong = np.array(_wrong(name, choices.distinct), dtype=bool)
            raise _BadValuesError(wrong[choices.codes]) from None

    return convert


def _wrong(name: str, distinct: Sequence[Any]) -> list[bool]:
    """Return which values of a column break the schema."""

    def complaints(lists: Sequence[Any]) -> Complaints:
        found = Complaints()
        complain_of_values(found, name, lists, range(len(lists)))
        return found

    if not complaints(distinct):
        return [False] * len(distinct)
    return [bool(complaints([names])) for names in distinct]


def _decoded(column: pa.Array) -> pa.Array:
    """Return a column without a dictionary, texts in the one layout that every function takes."""
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.large_string()) if kinds.is_string_view(column.type) else column


def _filled(column: pa.Array, value: int) -> npt.NDArray[Any]:
    """Return a column as a numpy array, `value` where it is null."""
    filled = column.fill_null(value) if column.null_count else column
    return np.asarray(filled.to_numpy(zero_copy_only=False))


def _nulls(column: pa.Array) -> BoolArray:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))


def _refuse(bad: BoolArray) -> None:
    if bad.any():
        raise _BadValuesError(bad)
