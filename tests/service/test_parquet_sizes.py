"""Parquet files that are small and hold much: refused with a sentence, in little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.batch_files.batch_file import BatchFileError
from service.batch_files.parquet_file import read_parquet
from service.batch_files.parquet_pages import read_pages
from service.batch_files.parquet_sizes import Limits
from tests.service.server import ROOT

MAX_PEAK_BYTES = 1_500_000_000
TOKENS = {"input_tokens": [472, 1087], "output_tokens": [18, 230]}


def constant(text: str, count: int) -> pa.Array:
    """Return a text so often, which takes four bytes for each."""
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(count, dtype=np.int32)), pa.array([text])
    )


def tokens(count: int) -> dict[str, pa.Array]:
    ones = pa.array(np.ones(count, dtype=np.int32))
    return {"input_tokens": ones, "output_tokens": ones}


def many_rows(path: Path) -> None:
    table = pa.table(tokens(4_000_000))
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(5):
            writer.write_table(table)


def a_long_text_in_every_row(path: Path) -> None:
    count = 300_000
    table = pa.table({"id": constant("x" * 20_000, count), **tokens(count)})
    pq.write_table(table, path, compression="zstd")


def a_long_list(path: Path) -> None:
    count = 20_000_000
    lists = pa.ListArray.from_arrays(pa.array([0, 1, count], pa.int32()), constant("a", count))
    pq.write_table(pa.table({"llms": lists, **tokens(2)}), path, compression="zstd")


def texts_that_begin_alike(path: Path) -> None:
    count = 500
    table = pa.table({"id": ["x" * 100_000] * count, **tokens(count)})
    encoded = {"id": "DELTA_BYTE_ARRAY"}
    with pq.ParquetWriter(
        path, table.schema, compression="zstd", use_dictionary=False, column_encoding=encoded
    ) as writer:
        for _ in range(40):
            writer.write_table(table)


def texts_without_a_dictionary(path: Path) -> None:
    table = pa.table({"id": ["x" * 40_000_000] * 2, **tokens(2)})
    with pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=False) as writer:
        for _ in range(30):
            writer.write_table(table)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (many_rows, "Expected at most 1000000 rows, got 20000000."),
        (a_long_text_in_every_row, "column id: Expected at most 536870912 bytes of text"),
        (a_long_list, "column llms: Expected at most 512 values, got 20000000."),
        (texts_that_begin_alike, "column id: Expected at most 536870912 bytes of text"),
        (texts_without_a_dictionary, "Expected at most 536870912 bytes in the columns needed"),
    ],
)
def test_a_small_file_that_holds_much_is_refused_in_little_memory(
    tmp_path: Path, write: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "bomb.parquet"
    write(path)
    assert path.stat().st_size < 1_000_000
    stderr = tmp_path / "stderr"
    with stderr.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "plan", str(path)], cwd=ROOT, stderr=stream
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert words in stderr.read_text()
    assert process.returncode == 2
    assert usage.ru_maxrss * 1024 < MAX_PEAK_BYTES


def written(columns: dict[str, object], **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, **options)
    return bytes(sink.getvalue())


def ends(data: bytes) -> int:
    """Return where the footer begins."""
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def test_a_footer_that_is_not_of_these_pages_is_refused() -> None:
    few, many = (written({k: [7] * n for k in TOKENS}) for n in (200, 201))
    assert ends(few) == ends(many)
    forged = many[: ends(many)] + few[ends(few) :]
    with pytest.raises(BatchFileError, match="contradict its count of values"):
        read_parquet(forged)


def test_columns_that_nobody_needs_are_not_judged() -> None:
    columns = {**TOKENS, "note": ["x" * 10_000, "y"], "input_tokens ": [1, 2]}
    batch = read_parquet(
        written(columns, compression="none"),
        {"input_tokens": "input_tokens", "output_tokens": "output_tokens"},
        Limits(held_bytes=1000),
    )
    assert batch.members["columns"] == TOKENS


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_dictionary": False},
        {"use_dictionary": False, "column_encoding": {"id": "DELTA_BYTE_ARRAY"}},
        {"use_dictionary": False, "column_encoding": {"id": "DELTA_LENGTH_BYTE_ARRAY"}},
        {"data_page_version": "2.0", "compression": "zstd", "write_page_checksum": True},
        {"row_group_size": 1},
        {"dictionary_pagesize_limit": 1},
        {"write_statistics": False, "store_schema": False, "write_page_index": True},
    ],
)
def test_every_way_to_write_is_read(options: dict[str, object]) -> None:
    columns = {
        "id": ["a", "é"],
        **TOKENS,
        "llms": [["l1", "l2"], None],
        "deadline_seconds": [None, 5.0],
        "pinned": [{"pool": "a", "device_index": 1}, None],
    }
    batch = read_parquet(written(columns, **options))
    assert batch.members["columns"] == columns


def test_a_column_of_a_name_that_stands_twice_is_refused() -> None:
    table = pa.table([[1], [2], [3]], names=["input_tokens", "input_tokens", "output_tokens"])
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    with pytest.raises(BatchFileError, match="each column once"):
        read_parquet(sink.getvalue().to_pybytes(), {"input_tokens": "input_tokens"})


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_damaged_file_is_a_batch_or_a_sentence(data: st.DataObject) -> None:
    whole = written({"id": ["a", "b"], **TOKENS, "llms": [["x"], ["y", "z"]]})
    # In the footer: a decoder of Arrow may crash on a page that is damaged, and takes us along.
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    place = data.draw(st.integers(footer, len(whole) - 9))
    damaged = whole[:place] + data.draw(st.binary(min_size=1, max_size=3)) + whole[place + 1 :]
    with suppress(BatchFileError):
        assert set(read_parquet(damaged).members["columns"]) >= set(TOKENS)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x00",
        b"\x15",
        b"\x15\xff" * 20,
        b"\x1c" * 20,
        b"\x15\x00\x15\x02\x15\x7f\x00",
        b"\x19\x15",
    ],
)
def test_pages_that_are_none_are_refused(header: bytes) -> None:
    with pytest.raises(ValueError, match=r"page|column"):
        read_pages(header, 0, max(1, len(header)))
