"""Columns whose every value is of the one usual type, checked whole instead of value by value.

What is found good here is good by the schema too, with the same values. What is not may still be:
then `service.calls.reading` asks the schema, which has the last word and words the complaints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Self, cast, get_args

import numpy as np
from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import ValidationError

from costmodel.arrays import BoolArray, FloatArray, IntArray
from service.calls.allowed_names import AllowedNames
from service.calls.batch import Batch
from service.calls.schemas.fields import (
    ChoiceCount,
    InputTokens,
    OutputTokens,
    RequestId,
    Score,
    Seconds,
)
from service.calls.schemas.requests import Pin, RequestColumns
from service.calls.token_columns import Estimates, lengths_of

FILLER: Mapping[str, list[int]] = {"input_tokens": [1], "output_tokens": [1]}
"""Needed columns, each with a good value: what stands for those that are checked here."""
FIELDS = frozenset(RequestColumns.model_fields)
_NONE = type(None)


@dataclass(frozen=True)
class Bounds:
    """The bounds that a field type of the schemas states of a number or of the length of a text.

    Values may be `low` and `high`, and must lie above `above`.
    """

    low: float = -np.inf
    high: float = np.inf
    above: float = -np.inf

    @classmethod
    def of(cls, field_type: object) -> Self:
        """Read the bounds of a field type.

        Examples
        --------
        >>> Bounds.of(InputTokens)
        Bounds(low=0, high=10000000, above=-inf)
        """
        given: dict[str, Any] = {}
        for mark in get_args(field_type)[1].metadata:
            match mark:
                case Ge(ge=value) | MinLen(min_length=value):
                    given["low"] = value
                case Le(le=value) | MaxLen(max_length=value):
                    given["high"] = value
                case Gt(gt=value):
                    given["above"] = value
        return cls(**given)

    def broken(self, values: IntArray | FloatArray) -> BoolArray:
        """Return which values break them, not a number among these, shape (n,)."""
        return ~((values >= self.low) & (values <= self.high) & (values > self.above))


INPUT_TOKENS = Bounds.of(InputTokens)
CHOICES = Bounds.of(ChoiceCount)
OUTPUT_TOKENS = Bounds.of(OutputTokens)
REQUEST_ID = Bounds.of(RequestId)
SCORE = Bounds.of(Score)
SECONDS = Bounds.of(Seconds)


class NotPlainError(ValueError):
    """Values are not of the usual type, or break a bound."""


def batch_of_rows(rows: list[Any]) -> Batch:
    """Return the batch of rows; NotPlainError if a row, or one of its fields, is unusual."""
    _need(set(map(type, rows)) == {dict})
    columns = _transposed(rows)
    _need(set(FILLER) <= set(columns) <= FIELDS)
    return _batch(columns, by_row=True)


def batch_of_columns(columns: Mapping[str, Any]) -> Batch:
    """Return the batch of columns, which may differ in length; NotPlainError if one is unusual."""
    given = {name: values for name, values in columns.items() if values is not None}
    _need(set(FILLER) <= set(given) and set(columns) <= FIELDS)
    _need(all(isinstance(v, list) for name, v in given.items() if name != "output_tokens"))
    return _batch(given, by_row=False)


def _batch(columns: Mapping[str, list[Any]], *, by_row: bool) -> Batch:
    input_tokens, prompts = lengths_of(columns["input_tokens"], _input_tokens)
    return Batch(
        by_row=by_row,
        given_ids=_texts(columns["id"], REQUEST_ID, or_none=by_row) if "id" in columns else None,
        input_tokens=input_tokens,
        prompts=prompts,
        output_tokens=_estimates(columns["output_tokens"]),
        llms=_choices("llms", columns["llms"]) if "llms" in columns else None,
        pools=_choices("pools", columns["pools"]) if "pools" in columns else None,
        min_quality=_numbers(columns.get("min_quality"), SCORE),
        deadline_s=_numbers(columns.get("deadline_seconds"), SECONDS),
        choices=_whole_numbers(columns["choices"], CHOICES) if "choices" in columns else None,
        pinned=pins_of(columns["pinned"]) if "pinned" in columns else None,
    )


def _transposed(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the fields of rows as columns, None where a row lacks one that others have."""
    first = tuple(rows[0])
    # Where no row lacks a field of the first, and none has more, all have the same fields.
    if sum(map(len, rows)) == len(first) * len(rows):
        try:
            return {name: list(map(itemgetter(name), rows)) for name in first}
        except KeyError:
            pass
    shapes = set(map(tuple, rows))
    _need(all(FIELDS.issuperset(shape) for shape in shapes))
    return {name: [row.get(name) for row in rows] for name in set().union(*shapes)}


def _whole_numbers(values: list[Any], bounds: Bounds) -> IntArray:
    types = set(map(type, values))
    _need(bool(types) and types <= {int, float})
    if float in types:
        _need(all(type(value) is int or value.is_integer() for value in values))
    try:
        array = np.fromiter(map(int, values) if float in types else values, np.int64, len(values))
    except OverflowError:
        raise NotPlainError from None
    _need(not bounds.broken(array).any())
    return array


def _input_tokens(values: list[Any]) -> IntArray:
    return _whole_numbers(values, INPUT_TOKENS)


def _estimates(values: Any) -> IntArray | Estimates:  # noqa: ANN401  of whatever JSON has
    """Return whole numbers, or quantiles by name."""
    if isinstance(values, list):
        return _whole_numbers(values, OUTPUT_TOKENS)
    _need(isinstance(values, dict))
    check_quantile_names(list(values))
    _need(all(isinstance(column, list) and column for column in values.values()))
    _need(not any(None in column for column in values.values()))
    found = {name: _numbers(column, OUTPUT_TOKENS) for name, column in values.items()}
    return cast(Estimates, found)


def check_quantile_names(names: Sequence[str]) -> None:
    """Refuse with NotPlainError quantiles that the schema does not know, or too few of them."""
    try:
        RequestColumns.model_validate({**FILLER, "output_tokens": {name: [1.0] for name in names}})
    except ValidationError:
        raise NotPlainError from None


def _numbers(values: list[Any] | None, bounds: Bounds) -> FloatArray | None:
    """Return numbers, nan where there is none."""
    if values is None:
        return None
    _need({int, float, _NONE}.issuperset(map(type, values)))
    try:
        array = np.array(values, dtype=np.float64)
    except OverflowError:
        raise NotPlainError from None
    # None breaks the bounds as not a number does: there must be no others that do.
    _need(int(bounds.broken(array).sum()) == values.count(None))
    return array


def _texts(values: list[Any], bounds: Bounds, *, or_none: bool) -> list[str | None]:
    types = set(map(type, values))
    _need(types <= {str, _NONE} if or_none else types == {str})
    given = values if _NONE not in types else [value for value in values if value is not None]
    lengths = set(map(len, given))
    _need(all(bounds.low <= length <= bounds.high for length in lengths))
    return values


def _choices(name: str, lists: list[Any]) -> AllowedNames:
    _need({list, _NONE}.issuperset(map(type, lists)))
    try:
        choices = AllowedNames.of(lists)
    except TypeError:
        raise NotPlainError from None
    return read_choices(name, choices)


def read_choices(name: str, choices: AllowedNames) -> AllowedNames:
    """Return the names in the column `llms` or `pools` as the schema reads them; few lists differ.

    A NotPlainError is raised where a list is none of names.
    """
    distinct = [None if entry is None else list(entry) for entry in choices.distinct]
    try:
        read = RequestColumns.model_validate({**FILLER, name: distinct})
    except ValidationError:
        raise NotPlainError from None
    names = [None if entry is None else tuple(entry) for entry in getattr(read, name)]
    return AllowedNames(choices.codes, tuple(names))


def pins_of(values: list[Any]) -> list[Pin | None]:
    """Return pins as the schema reads them, those that are the same once; else NotPlainError."""
    _need({dict, _NONE}.issuperset(map(type, values)))
    keys = [None if value is None else tuple(value.items()) for value in values]
    try:
        distinct = list(dict.fromkeys(keys))
        listed = [None if key is None else dict(key) for key in distinct]
        pins = RequestColumns.model_validate({**FILLER, "pinned": listed}).pinned or []
    except (TypeError, ValidationError):
        raise NotPlainError from None
    found = dict(zip(distinct, pins, strict=True))
    return [found[key] for key in keys]


def _need(condition: bool) -> None:
    if not condition:
        raise NotPlainError
