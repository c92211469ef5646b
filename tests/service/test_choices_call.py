"""The choices of a request: rows, columns and Arrow alike, and what stands against them."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from service.calls.arrow.columns import batch_of_table
from service.calls.reading import read_json
from service.problems import Complaints, ProblemError
from service.schemas.calls import PlanRequest

TOKENS: dict[str, list[Any]] = {"input_tokens": [10, 20], "output_tokens": [5, 7]}


def read(document: dict[str, Any]) -> Any:
    return read_json(orjson.dumps(document), PlanRequest).batch


def test_choices_are_read_alike_from_rows_columns_and_arrow() -> None:
    rows = [{"input_tokens": 10, "output_tokens": 5, "choices": 3}]
    rows.append({"input_tokens": 20, "output_tokens": 7})
    by_row = read({"requests": rows})
    by_column = read({"columns": TOKENS | {"choices": [3, None]}})
    found = Complaints()
    table = pa.table(TOKENS | {"choices": [3, None]})
    by_arrow = batch_of_table(table, found)
    assert not found
    assert by_arrow is not None
    for batch in (by_row, by_column, by_arrow):
        np.testing.assert_array_equal(batch.choices, [3, 1])


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", 1_025])
def test_choices_out_of_range_are_refused_with_their_pointer(wrong: Any) -> None:
    for document, pointer in (
        ({"columns": TOKENS | {"choices": [1, wrong]}}, "/columns/choices/1"),
        (
            {"requests": [{"input_tokens": 1, "output_tokens": 1, "choices": wrong}]},
            "/requests/0/choices",
        ),
    ):
        with pytest.raises(ProblemError) as refused:
            read(document)
        assert [one.pointer for one in refused.value.problem.errors] == [pointer]
