"""Requests that are read as whole columns are those that the schema reads one by one."""

import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from service.calls import schema_complaints
from service.calls.batch import Batch, IndexNames
from service.calls.plain_columns import batch_of_columns, batch_of_rows
from service.calls.reading import read_json
from service.calls.schemas.calls import PlanRequest
from service.calls.validation import path_of
from service.problems import ProblemError, pointer
from service.wording import words_of_error
from tests.service.bodies import Json

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 1.0, 1.5, 2**63, 10**400, "", "7", "ä", [], ["a"], [None], {}, {"p50": 1}]
)
TOKENS = st.integers(1, 9000) | st.integers(1, 9000) | ODD
QUANTILES = st.dictionaries(
    st.sampled_from(["p50", "p90", "p5"]), st.integers(1, 50) | st.floats(1, 9) | ODD, max_size=3
)
IDS = st.text('ab,"\\é\n', min_size=1, max_size=5) | st.text("ab", min_size=250, max_size=257) | ODD
NAMES = st.lists(st.sampled_from(["llama", "a100", "A100", "x/y", ""]), max_size=3) | ODD
NUMBERS = st.floats(0.1, 1.0) | st.integers(0, 2) | ODD
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": IDS,
    "input_tokens": TOKENS,
    "output_tokens": TOKENS | QUANTILES,
    "llms": NAMES,
    "pools": NAMES,
    "min_quality": NUMBERS,
    "deadline_seconds": NUMBERS,
    "pinned": st.dictionaries(
        st.sampled_from(["llm", "pool", "concurrency", "device_index", "odd"]),
        st.sampled_from(["llama", "a100", 0, 1, 2.0, None, True]),
        max_size=2,
    )
    | ODD,
}
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "id": st.text("ab", min_size=1, max_size=3),
    "input_tokens": st.integers(0, 9000),
    "output_tokens": st.integers(1, 9000),
    "llms": st.none() | st.lists(st.sampled_from(["llama", "gemma"]), min_size=1, max_size=2),
    "pools": st.none() | st.just(["A100"]),
    "min_quality": st.none() | st.floats(0.0, 1.0),
    "deadline_seconds": st.none() | st.integers(1, 5) | st.floats(0.5, 1e8),
    "pinned": st.none()
    | st.fixed_dictionaries({"llm": st.just("a")}, optional={"device_index": st.integers(0, 2)}),
}
NEEDED = ("input_tokens", "output_tokens")
OPTIONAL = [name for name in VALUES if name not in NEEDED]


def row_of(values: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {name: values[name] for name in NEEDED},
        optional={name: values[name] for name in OPTIONAL},
    )


def columns_of(values: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.integers(1, 4).flatmap(
        lambda n: st.fixed_dictionaries(
            {name: st.lists(values[name], min_size=n, max_size=n) for name in NEEDED},
            optional={
                name: st.lists(values[name], min_size=n, max_size=n)
                for name in (*OPTIONAL[1:], OPTIONAL[0])
            },
        )
    )


ROWS = st.lists(row_of(VALUES) | row_of(GOOD) | ODD, max_size=4)
QUANTILE_COLUMNS = st.fixed_dictionaries(
    {
        "input_tokens": st.lists(st.integers(1, 9), min_size=1, max_size=3),
        "output_tokens": st.dictionaries(
            st.sampled_from(["p50", "p90", "p99", "q1"]),
            st.lists(st.integers(1, 50) | st.floats(1, 9) | ODD, max_size=3)
            | st.lists(st.floats(1, 1e7) | st.integers(1, 10), min_size=1, max_size=3),
            max_size=3,
        ),
    }
)
COLUMNS = columns_of(VALUES) | columns_of(GOOD) | row_of(VALUES) | QUANTILE_COLUMNS
TERMS = st.fixed_dictionaries(
    {},
    optional={
        "constraints": st.sampled_from([{}, {"deadline_seconds": -1}, {"shares": {"A": {}}}, []]),
        "fleet": st.sampled_from([None, {}, {"pools": []}]),
        "urgent": st.just(True),
    },
)
DOCUMENTS = st.builds(
    lambda terms, requests: terms | requests,
    TERMS,
    st.fixed_dictionaries({"requests": ROWS})
    | st.fixed_dictionaries({"columns": COLUMNS})
    | st.fixed_dictionaries({"requests": ROWS | ODD, "columns": COLUMNS | ODD}),
)


def encoded(document: object) -> bytes:
    """Return JSON; what only Python's own writer can write is given to it."""
    import json

    return json.dumps(document).encode()


def by_the_schema(body: bytes) -> PlanRequest | set[tuple[str, str]]:
    """Return what the schema makes of a whole body, or its complaints."""
    try:
        return PlanRequest.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False)
        return {(pointer(*path_of(e)), words_of_error(e)) for e in found}


def batch_by_the_schema(call: PlanRequest) -> Batch | None:
    """Return the requests of a call that the schema has read, None where they are not one way."""
    if (call.requests is None) == (call.columns is None):
        return None
    if call.requests is not None:
        return Batch.from_rows(call.requests)
    assert call.columns is not None
    return Batch.from_columns(call.columns)


def plain(estimates: Any) -> Any:
    """Return estimates without arrays."""
    if isinstance(estimates, dict):
        return {name: list(map(float, column)) for name, column in estimates.items()}
    return estimates.tolist() if isinstance(estimates, np.ndarray) else estimates


def seen(batch: Batch) -> Json:
    """Return what there is to see of a batch, None and nothing alike."""
    n = len(batch)
    names = {
        name: None if choices is None else [choices.distinct[code] for code in choices.codes]
        for name, choices in (("llms", batch.llms), ("pools", batch.pools))
    }
    numbers = {
        name: None if values is None else np.where(np.isnan(values), -1.0, values).tolist()
        for name, values in (("quality", batch.min_quality), ("deadline", batch.deadline_s))
    }
    empty: Json = {
        "pinned": [None] * n,
        "llms": [None] * n,
        "pools": [None] * n,
        "quality": [-1.0] * n,
    }
    empty["deadline"] = empty["quality"]
    return {
        "by_row": batch.by_row,
        "ids": list(batch.ids),
        "input": batch.input_tokens.tolist(),
        "output": plain(batch.output_tokens),
        **{
            name: empty[name] if values is None else values
            for name, values in {**names, **numbers, "pinned": batch.pinned}.items()
        },
    }


@settings(max_examples=400)
@given(DOCUMENTS)
@example({"columns": {"input_tokens": [1], "output_tokens": {"p50": [], "p90": []}}, "urgent": 1})
def test_any_document_is_read_or_refused_as_by_the_schema(document: Json) -> None:
    body = encoded(document)
    expected = by_the_schema(body)
    try:
        read = read_json(body, PlanRequest)
    except ProblemError as refusal:
        problem = refusal.problem
        if isinstance(expected, set):
            assert {(e.pointer, e.detail) for e in problem.errors} == expected
        else:
            assert batch_by_the_schema(expected) is None
    else:
        assert isinstance(expected, PlanRequest)
        batch = batch_by_the_schema(expected)
        assert batch is not None
        assert seen(read.batch) == seen(batch)
        without = {"requests": None, "columns": None}
        terms = read.terms.model_copy(update=without)
        assert terms == expected.model_copy(update=without)


@settings(max_examples=100)
@given(st.lists(row_of(GOOD), min_size=1, max_size=5))
def test_good_rows_need_no_help_of_the_schema(rows: list[Json]) -> None:
    expected = PlanRequest.model_validate({"requests": rows}).requests
    assert expected is not None
    assert seen(batch_of_rows(rows)) == seen(Batch.from_rows(expected))


@settings(max_examples=100)
@given(columns_of(GOOD))
def test_good_columns_need_no_help_of_the_schema(columns: Json) -> None:
    expected = PlanRequest.model_validate({"columns": columns}).columns
    assert expected is not None
    assert seen(batch_of_columns(columns)) == seen(Batch.from_columns(expected))


def test_errors_are_pointed_to_beyond_the_first_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_complaints, "ROWS_A_PIECE", 3)
    rows: list[Json] = [{"input_tokens": 1, "output_tokens": 1} for _ in range(10)]
    rows[7]["input_tokens"] = -1
    rows[9]["llms"] = ["ok", ""]
    with pytest.raises(ProblemError) as caught:
        read_json(orjson.dumps({"requests": rows}), PlanRequest)
    found = [error.pointer for error in caught.value.problem.errors]
    assert found == ["/requests/7/input_tokens", "/requests/9/llms/1"]
    columns = {name: [row[name] for row in rows] for name in NEEDED}
    with pytest.raises(ProblemError) as caught:
        read_json(orjson.dumps({"columns": columns}), PlanRequest)
    assert [e.pointer for e in caught.value.problem.errors] == ["/columns/input_tokens/7"]


def test_a_hundred_thousand_errors_are_counted_and_a_hundred_reported() -> None:
    body = orjson.dumps({"columns": {"input_tokens": [-1] * 100_000, "output_tokens": [1] * 5}})
    with pytest.raises(ProblemError) as caught:
        read_json(body, PlanRequest)
    problem = caught.value.problem
    assert (len(problem.errors), problem.omitted) == (100, 99_900)
    assert "(99999 more)" in problem.detail


def test_default_names_are_indices_that_nobody_may_take() -> None:
    names = IndexNames(1_000_000)
    assert (names[0], names[-1], names[9:11], len(names)) == ("0", "999999", ["9", "10"], 10**6)
    assert "12" in names


def test_numbers_that_are_none_differ_from_none() -> None:
    body = b'{"columns":{"input_tokens":[1],"output_tokens":[1],"min_quality":[NaN]}}'
    with pytest.raises(ProblemError) as caught:
        read_json(body, PlanRequest)
    assert [e.pointer for e in caught.value.problem.errors] == ["/columns/min_quality/0"]
    good = read_json(body.replace(b"NaN", b"null"), PlanRequest).batch.min_quality
    assert good is not None
    assert math.isnan(good[0])
