"""The choices and prompts of a request: rows, columns and Arrow alike, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from service.calls.arrow.columns import batch_of_table
from service.calls.building import check_answers
from service.calls.reading import read_json
from service.calls.schemas.calls import PlanRequest
from service.problems import Complaints, ProblemError

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


def test_prompts_are_read_alike_from_rows_columns_and_arrow() -> None:
    inputs: list[Any] = [[10, 20.0, 3], [7]]
    by_row = read({"requests": [{"input_tokens": i, "output_tokens": 5} for i in inputs]})
    by_column = read({"columns": {"input_tokens": [inputs[0], 7], "output_tokens": [5, 5]}})
    # What is unusual in another column goes the way of the schema.
    mixed = {"input_tokens": [inputs[0], 7], "output_tokens": [5, {"p50": 5, "p90": 5}]}
    by_schema = read({"columns": mixed})
    found = Complaints()
    table = pa.table({"input_tokens": [[10, 20, 3], [7]], "output_tokens": [5, 5]})
    by_arrow = batch_of_table(table.slice(0), found)
    assert not found
    assert by_arrow is not None
    for batch in (by_row, by_column, by_schema, by_arrow):
        assert batch.prompts is not None
        np.testing.assert_array_equal(batch.input_tokens, [33, 7])
        np.testing.assert_array_equal(batch.prompts.counts, [3, 1])
        np.testing.assert_array_equal(batch.prompts.longest, [20, 7])
        np.testing.assert_array_equal(batch.prompts.squares, [509.0, 49.0])
        assert batch.sequences == 4
    one_each = read({"columns": {"input_tokens": [[4], 7], "output_tokens": [5, 5]}})
    assert one_each.prompts is None
    assert one_each.input_tokens.tolist() == [4, 7]


@pytest.mark.parametrize(
    ("wrong", "below"), [([], ""), ([3, -1], "/1"), ([None], "/0"), ([[1]], "/0"), ({"a": 1}, "")]
)
def test_prompts_out_of_range_are_refused_with_their_pointer(wrong: Any, below: str) -> None:
    for document, pointer in (
        (
            {"columns": {"input_tokens": [5, wrong], "output_tokens": [1, 1]}},
            "/columns/input_tokens/1",
        ),
        ({"requests": [{"input_tokens": wrong, "output_tokens": 1}]}, "/requests/0/input_tokens"),
    ):
        with pytest.raises(ProblemError) as refused:
            read(document)
        assert [one.pointer for one in refused.value.problem.errors] == [pointer + below]


@pytest.mark.parametrize("wrong", [[], None, [3, None], [-1]])
def test_lists_of_prompts_in_arrow_are_refused_with_their_pointer(wrong: Any) -> None:
    found = Complaints()
    table = pa.table({"input_tokens": [[1, 2], wrong, [3]], "output_tokens": [1, 1, 1]})
    assert batch_of_table(table, found) is None
    assert [one.pointer.split("/")[:4] for one in found.first] == [
        ["", "columns", "input_tokens", "1"]
    ]
    strings = pa.table({"input_tokens": [["a"]], "output_tokens": [1]})
    found = Complaints()
    assert batch_of_table(strings, found) is None
    assert "lists of them" in found.first[0].detail


def test_more_answers_than_a_schedule_has_room_for_are_refused() -> None:
    batch = read(
        {"columns": {"input_tokens": [[1, 1], 5], "output_tokens": [1, 1], "choices": [5, 1]}}
    )
    assert batch.sequences == 11
    check_answers(batch, 11)
    with pytest.raises(ProblemError, match="at most 10 answers of all requests, got 11") as refused:
        check_answers(batch, 10)
    assert refused.value.problem.status == 413
    check_answers(
        read({"columns": {"input_tokens": [5, 5], "output_tokens": [1, 1], "choices": [4, 4]}}), 2
    )
