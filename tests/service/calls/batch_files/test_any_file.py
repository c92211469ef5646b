"""Whatever bytes a file holds: a batch, or a refusal in a sentence."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.decoding import in_utf8
from service.calls.batch_files.reading import read_batch, read_bytes
from service.calls.schemas.batch_query import TokenRule
from tests.service.calls.batch_files.readings import PLAIN, tokens

CASES = Path(__file__).parents[5] / "shared" / "cases"


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared inputs are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("06-rows.jsonl", {"input_tokens": [4016, 28], "output_tokens": [6, 45]}),
        ("06-mooncake.jsonl", {"input_tokens": [4016, 28], "output_tokens": [6, 45]}),
        ("15-float-cells.csv", PLAIN),
        ("15-index.csv", {"input_tokens": [472, 10], "output_tokens": [18, 20]}),
        ("15-hfname.csv", {"input_tokens": [100], "output_tokens": [50]}),
    ],
)
def test_the_shared_inputs_are_read_and_planned(
    planned_here: Callable[..., Any], name: str, right: dict[str, list[int]]
) -> None:
    batch = read_batch(str(CASES / name), None, TokenRule())
    assert tokens(batch) == right
    status, printed = planned_here(str(CASES / name), "--json")
    assert status == 0, printed.err
    assert len(json.loads(printed.out)["columns"]["id"]) == len(right["input_tokens"])


SPELLINGS = st.sampled_from([str.lower, str.upper, str.title, lambda s: s.replace("_", " ")])


counts = st.integers(1, 9_999_999)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_table_is_the_same_however_it_was_written(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))
    column = st.lists(counts, min_size=n, max_size=n)
    given_columns = {"input_tokens": data.draw(column), "output_tokens": data.draw(column)}
    if data.draw(st.booleans()):
        given_columns["deadline_seconds"] = data.draw(column)
    header = data.draw(st.permutations(list(given_columns)))
    end = data.draw(st.sampled_from(["", ".0"]))
    cells = [[f"{given_columns[name][i]}{end}" for name in header] for i in range(n)]
    names = [data.draw(SPELLINGS)(name) for name in header]
    if data.draw(st.booleans()):
        names, cells = ["", *names], [[str(i), *row] for i, row in enumerate(cells)]
    text = io.StringIO()
    separator, ending = (
        data.draw(st.sampled_from(",;\t|")),
        data.draw(st.sampled_from(["\n", "\r\n"])),
    )
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    csv.writer(text, delimiter=separator, lineterminator=ending, quoting=quoting).writerows(
        [names, *cells]
    )
    encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
    content = text.getvalue().encode(data.draw(st.sampled_from(encodings)))
    if data.draw(st.booleans()):
        content = gzip.compress(content, mtime=0)
    batch = _read(content, "csv")
    assert dict(batch.members["columns"]) == given_columns
    assert batch.warnings == ()


PARTS = (
    "input_tokens", "output_tokens", ",", ";", "\n", "1", "2.5", "-3", '"', "{", "}", "[", "]",
    '{"input_tokens": 1, "output_tokens": 2}', "\r", "\0", "nan", "é", "id",
)  # fmt: skip
CONTENTS = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(str.encode),
    st.lists(st.sampled_from(PARTS), max_size=14).map(lambda parts: "".join(parts).encode()),
)


@settings(max_examples=300)
@given(CONTENTS, st.sampled_from(["csv", "json", "jsonl", "openai-batch"]), st.booleans())
def test_anything_is_a_batch_or_is_refused_with_a_sentence(
    content: bytes, kind: Any, packed: bool
) -> None:
    refusal = _refusal(gzip.compress(content, mtime=0) if packed else content, kind)
    assert refusal is None or "Expected" in refusal


# Each is read by a process of its own, and none of them is Parquet.
@settings(max_examples=12)
@given(CONTENTS, st.booleans())
def test_anything_is_refused_as_parquet_with_a_sentence(content: bytes, packed: bool) -> None:
    refusal = _refusal(gzip.compress(content, mtime=0) if packed else content, "parquet")
    assert refusal is not None
    assert "Expected" in refusal


def _refusal(content: bytes, kind: Any) -> str | None:
    try:
        _read(content, kind)
    except BatchFileError as refused:
        return str(refused)
    return None


def _read(content: bytes, kind: Any) -> BatchFile:
    return read_bytes(content, kind, TokenRule(output_tokens=10), {})


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_text_is_the_same_in_every_encoding_that_has_a_mark(text: str) -> None:
    for encoding in ("utf-16", "utf-32"):
        assert in_utf8(text.encode(encoding)) == text.encode()
