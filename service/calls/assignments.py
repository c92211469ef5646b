"""The assignments of a plan as JSON, a block at a time: a million rows are a quarter of a gigabyte.

They are put at the end of an answer that is written already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from planner.result import Plan

ENTRIES_AT_ONCE = 65536
"""Entries of a column that are written at once."""
ROWS_AT_ONCE = 2048
"""Rows that are written at once: their texts stay in the cache."""

Column: TypeAlias = Sequence[Any] | npt.NDArray[Any]


def assignment_columns(plan: Plan, ids: Sequence[str]) -> dict[str, Column]:
    """Return the columns of an answer by name, each of n entries."""
    return {
        "id": ids,
        "placement": plan.placement,
        "device_index": plan.device_index,
        "start_seconds": plan.start_s,
        "energy_joules": plan.energy_j,
        "runtime_seconds": plan.runtime_s,
        "extrapolated": plan.extrapolated,
    }


def column_chunks(answer: bytes, columns: Mapping[str, Column]) -> Iterator[bytes]:
    """Yield an answer, a JSON object, with the member `columns` added.

    Examples
    --------
    >>> b"".join(column_chunks(b'{"a":1}', {"id": ["x", "y"], "start_seconds": np.zeros(2)}))
    b'{"a":1,"columns":{"id":["x","y"],"start_seconds":[0.0,0.0]}}'
    """
    opening = answer[:-1] + b',"columns":{'
    for name, column in columns.items():
        yield opening + orjson.dumps(name) + b":["
        for start in range(0, len(column), ENTRIES_AT_ONCE):
            yield (b"," if start else b"") + _listed(column[start : start + ENTRIES_AT_ONCE])
        opening = b"],"
    yield b"]}}"


def row_chunks(
    answer: bytes, columns: Mapping[str, Column], placements: Sequence[Mapping[str, Any]]
) -> Iterator[bytes]:
    """Yield an answer, a JSON object, with the member `assignments` added.

    The column `placement` counts `placements`, whose LLM, pool and concurrency each row
    repeats.

    Examples
    --------
    >>> columns = {"id": ["x"], "placement": np.array([0]), "start_seconds": np.zeros(1)}
    >>> placements = [{"llm": "a", "pool": "b", "concurrency": 8, "device": "c"}]
    >>> b"".join(row_chunks(b"{}", columns, placements))[2:]
    b'"assignments":[{"id":"x","placement":0,"llm":"a","pool":"b","concurrency":8,"start_seconds":0.0}]}'
    """
    row = b"{" + b",".join(orjson.dumps(name) + b":%b" for name in columns) + b"}"
    places = [_place(index, placement) for index, placement in enumerate(placements)]
    yield answer[:-1] + b',"assignments":['
    for start in range(0, len(columns["id"]), ROWS_AT_ONCE):
        values = {name: column[start : start + ROWS_AT_ONCE] for name, column in columns.items()}
        texts = {name: _texts(block) for name, block in values.items()}
        texts["placement"] = map(places.__getitem__, np.asarray(values["placement"]).tolist())
        rows = map(row.__mod__, zip(*texts.values(), strict=True))
        yield (b"," if start else b"") + b",".join(rows)
    yield b"]}"


def _place(index: int, placement: Mapping[str, Any]) -> bytes:
    """Return the value of `placement` in a row, and the members that repeat what it is."""
    repeated = {key: placement[key] for key in ("llm", "pool", "concurrency")}
    return b"%d,%b" % (index, orjson.dumps(repeated)[1:-1])


def _texts(values: Column) -> Iterable[bytes]:
    """Return each value as JSON."""
    if isinstance(values, np.ndarray):
        return _listed(values).split(b",")
    return map(orjson.dumps, values)


def _listed(values: Column) -> bytes:
    """Return values as JSON, without the brackets around them."""
    plain = np.ascontiguousarray(values) if isinstance(values, np.ndarray) else values
    return orjson.dumps(plain, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
