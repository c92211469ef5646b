"""Parquet files that hold much or are damaged: refused with a sentence, in little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.parquet_pages import read_pages
from service.calls.batch_files.parquet_sizes import ParquetLimits
from service.calls.batch_files.reading import read_bytes
from service.calls.schemas.batch_query import TokenRule
from tests.service.parquet_files import SMALL, TOKENS, written
from tests.service.server import ROOT

MAX_PEAK_BYTES = 1_500_000_000


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
        for _ in range(20):
            writer.write_table(table)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (many_rows, "Expected at most 1000000 rows, got 20000000."),
        (a_long_text_in_every_row, "column id: Expected at most 536870912 bytes of text"),
        (a_long_list, "column llms: Expected at most 512 values, got 20000000."),
        (texts_that_begin_alike, "column id: Expected at most 536870912 bytes of text"),
        (
            texts_without_a_dictionary,
            "column id: Expected at most 536870912 bytes in the columns needed",
        ),
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


def read_parquet(
    data: bytes, renamed: dict[str, str] | None = None, limits: ParquetLimits | None = None
) -> BatchFile:
    return read_bytes(data, "parquet", TokenRule(), renamed or {}, limits)


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
        ParquetLimits(held_bytes=1000),
    )
    assert batch.members["columns"] == TOKENS


WAYS: list[dict[str, Any]] = [
    {},
    {"use_dictionary": False},
    {"use_dictionary": False, "column_encoding": {"id": "DELTA_BYTE_ARRAY"}},
    {"use_dictionary": False, "column_encoding": {"id": "DELTA_LENGTH_BYTE_ARRAY"}},
    {"data_page_version": "2.0", "compression": "zstd", "write_page_checksum": True},
    {"row_group_size": 1},
    {"dictionary_pagesize_limit": 1},
    {"write_statistics": False, "store_schema": False, "write_page_index": True},
    {"compression": "none"},
]


@pytest.mark.parametrize("options", WAYS)
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


ABORTING = [({}, 462, 16), ({"use_dictionary": False}, 384, 114)]
"""How a file was written, a byte of it, and what makes Arrow end its process there."""


@pytest.mark.parametrize(("options", "place", "byte"), ABORTING)
def test_a_page_at_which_arrow_crashes_ends_the_command_with_a_sentence(
    planned_here: Callable[..., Any],
    tmp_path: Path,
    options: dict[str, object],
    place: int,
    byte: int,
) -> None:
    data = bytearray(written(SMALL, **options))
    data[place] = byte
    (tmp_path / "a.parquet").write_bytes(data)
    status, printed = planned_here("a.parquet")
    assert (status, printed.out) == (2, "")
    message = (
        "a.parquet: Expected Parquet, got a file whose reader crashed (SIGABRT): write it anew"
    )
    assert printed.err.startswith(f"error: {message}")
    assert printed.err.count("\n") == 1


def test_a_reader_that_never_ends_is_ended_by_the_time_that_it_takes() -> None:
    count = 400_000
    lists = pa.ListArray.from_arrays(np.arange(count + 1) * 40, constant("a", count * 40))
    data = written({"llms": lists, "pools": lists, **tokens(count)})
    with pytest.raises(BatchFileError, match="reader took more than 1 s of the processor"):
        read_parquet(data, limits=ParquetLimits(cpu_s=1))


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_a_damaged_file_is_a_batch_or_a_sentence(data: st.DataObject) -> None:
    whole = written(SMALL, **data.draw(st.sampled_from(WAYS)))
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + data.draw(st.binary(max_size=3)) + whole[place + 1 :]
    with suppress(BatchFileError):
        assert set(read_parquet(damaged).members["columns"]) >= set(TOKENS)


def test_a_changed_number_is_noticed_where_pages_have_checksums() -> None:
    plain = {"use_dictionary": False, "compression": "none", "write_statistics": False}
    data = written(TOKENS, write_page_checksum=True, **plain)
    number = (1087).to_bytes(8, "little")
    assert data.count(number) == 1
    with pytest.raises(BatchFileError, match="CRC checksum verification failed"):
        read_parquet(data.replace(number, (1088).to_bytes(8, "little")))


def test_infinity_is_no_number_and_what_is_none_is_null() -> None:
    columns = {"input_tokens": [1, 2], "output_tokens": [3, 4]}
    with pytest.raises(BatchFileError, match="row 2, column deadline_seconds: Expected a finite"):
        read_parquet(written({**columns, "deadline_seconds": [1.0, float("-inf")]}))
    batch = read_parquet(written({**columns, "deadline_seconds": [1.0, float("nan")]}))
    assert batch.members["columns"]["deadline_seconds"] == [1.0, None]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "got an empty file"),
        (b"PAR1", "got: Parquet file size is 4 bytes"),
        (written({**TOKENS, "id": [b"a", b"b"]}), "column id: Expected numbers, text or lists"),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BatchFileError, match=message):
        read_parquet(data)


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
