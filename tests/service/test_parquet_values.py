"""Numbers in Parquet, at any depth: the same as decimals and as floats, and infinity refused."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.parquet_process import ParquetProcess
from service.calls.batch_files.parquet_sizes import ParquetLimits, ParquetRefusal
from service.calls.batch_files.parquet_values import in_plain_types, infinite_rows, values_of
from service.calls.batch_files.reading import read_bytes
from service.calls.schemas.batch_query import TokenRule
from service.calls.schemas.calls import PlanRequest

DECIMAL = pa.decimal128(12, 2)
LENGTHS = pa.struct([("p50", DECIMAL), ("p90", DECIMAL)])
CENTS = st.integers(-(10**8), 10**8)


def written(columns: dict[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


def read(columns: dict[str, Any]) -> BatchFile:
    return read_bytes(written(columns), "parquet", TokenRule(), {})


def test_decimals_in_lists_and_structures_are_numbers() -> None:
    prompts = pa.array([[Decimal(100), Decimal(200)], [Decimal(50)]], pa.list_(pa.decimal128(9)))
    lengths = pa.array([{"p50": Decimal("10.50"), "p90": Decimal(40)}] * 2, LENGTHS)
    batch = read({"input_tokens": prompts, "output_tokens": lengths})
    assert batch.members["columns"] == {
        "input_tokens": [[100, 200], [50]],
        "output_tokens": [{"p50": 10.5, "p90": 40}] * 2,
    }
    body = PlanRequest.model_validate(batch.members)
    assert body.columns is not None


def nested(number: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    one = st.none() | number
    lengths = st.none() | st.fixed_dictionaries({"p50": one, "p90": one})
    return st.lists(st.none() | st.lists(lengths, max_size=3), min_size=1, max_size=6)


def with_numbers(value: Any, number: Any) -> Any:
    """Return a value with each of its numbers in another form."""
    if isinstance(value, list):
        return [with_numbers(one, number) for one in value]
    if isinstance(value, dict):
        return {name: with_numbers(one, number) for name, one in value.items()}
    return None if value is None else number(value)


@settings(deadline=None)
@given(nested(CENTS))
def test_decimals_at_any_depth_are_floats_of_the_same_amount(meant: list[Any]) -> None:
    decimals = with_numbers(meant, lambda cents: Decimal(cents).scaleb(-2))
    column = pa.array(decimals, pa.list_(LENGTHS))
    found = values_of(in_plain_types(column))
    # Arrow's floats of decimals may be a last bit off.
    assert with_numbers(found, lambda amount: round(amount * 100, 6)) == meant


@settings(deadline=None)
@given(nested(st.floats()), st.booleans())
def test_infinity_is_found_at_any_depth(rows: list[Any], is_large: bool) -> None:
    floats = pa.struct([("p50", pa.float64()), ("p90", pa.float32())])
    of = pa.large_list if is_large else pa.list_
    column = pa.array([[], *rows, []], of(floats))[1:-1]
    found = column.to_pylist()
    expected = {
        place
        for place, row in enumerate(found)
        for one in row or []
        for number in (one or {}).values()
        if number is not None and math.isinf(number)
    }
    assert set(infinite_rows(column).tolist()) == expected


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("output_tokens", [{"p50": 10.0, "p90": 20.0}, {"p50": 10.0, "p90": math.inf}]),
        ("input_tokens", [[1.0], [2.0, -math.inf]]),
        ("deadline_seconds", pa.array(np.array([1.0, np.inf], np.float16))),
    ],
)
def test_infinity_is_refused_with_its_row_at_any_depth(name: str, values: Any) -> None:
    columns = {"input_tokens": [1, 2], "output_tokens": [3, 4], name: values}
    message = f"row 2, column {name}: Expected a finite number, got infinity."
    with pytest.raises(BatchFileError, match=message):
        read(columns)


def test_a_fault_of_the_reader_is_reported_as_its_own(tmp_path: Any) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(written({"input_tokens": [1], "output_tokens": [2]}))
    no_names: Any = 7
    with path.open("rb") as file, ParquetProcess(file, ParquetLimits()) as process:
        process.head()
        with pytest.raises(ParquetRefusal) as refused:
            process.values(no_names)
    assert "a fault of its own ('int' object is not iterable)" in refused.value.detail
