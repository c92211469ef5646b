"""From a path to a batch, by the kind of the file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader
from pathlib import Path
from typing import Literal, cast

from costmodel.files import open_input
from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.csv_file import csv_table
from service.calls.batch_files.decoding import GZIP, in_utf8, inflated, read_text
from service.calls.batch_files.json_file import holds_rows, lines_table, read_json
from service.calls.batch_files.openai_batch import read_openai_batch
from service.calls.batch_files.parquet_file import read_parquet
from service.calls.batch_files.parquet_sizes import ParquetLimits
from service.calls.batch_files.table import batch_of
from service.calls.content import AnonymousFile
from service.calls.heap import collection_paused
from service.calls.schemas.batch_query import TokenRule

FileFormat = Literal["json", "csv", "parquet", "jsonl", "openai-batch"]
STANDARD_INPUT = "-"

_BY_SUFFIX: dict[str, FileFormat] = {
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_COMPRESSED = ".gz"


def read_batch(
    name: str,
    kind: FileFormat | None,
    rule: TokenRule,
    renamed: Mapping[str, str] | None = None,
    limits: ParquetLimits | None = None,
) -> BatchFile:
    """Return the batch of a file, or of standard input where its name is ``-``.

    `kind` is None for what the end of the name says. `rule` is how tokens are estimated where
    the file has prompts; `renamed` has their column for each of ours, where it is a table. A
    BatchFileError is raised where the file cannot be read, or is not of its kind.
    """
    kind = kind or _kind_of(name)
    try:
        with collection_paused(), _opened(name) as file:
            if kind == "parquet" and file.seekable() and not file.peek(2).startswith(GZIP):
                return read_parquet(file, renamed or {}, limits or ParquetLimits())
            return read_bytes(file.read(), kind, rule, renamed or {}, limits)
    except OSError as error:
        raise BatchFileError(f"Expected a file that can be read, got: {error.strerror}.") from None


def _opened(name: str) -> AbstractContextManager[BufferedReader]:
    if name == STANDARD_INPUT:
        return nullcontext(cast(BufferedReader, sys.stdin.buffer))
    return cast(BufferedReader, open_input(Path(name)))


def read_bytes(
    data: bytes,
    kind: FileFormat,
    rule: TokenRule,
    renamed: Mapping[str, str],
    limits: ParquetLimits | None = None,
) -> BatchFile:
    """Return the batch of what a file holds, with the arguments and the errors of `read_batch`."""
    data = inflated(data)
    if kind == "parquet":
        file = AnonymousFile.create()
        file.write(data)
        return read_parquet(file, renamed, limits or ParquetLimits())
    if kind == "csv":
        text, warnings = read_text(data)
        return batch_of(csv_table(text, renamed, warnings), renamed)
    data = in_utf8(data)
    if kind == "json":
        return read_json(data, renamed)
    if kind == "jsonl" and holds_rows(data, renamed):
        return batch_of(lines_table(data), renamed)
    if renamed:
        raise BatchFileError("Expected --column with a table only, got an OpenAI batch.")
    return read_openai_batch(data, rule)


def _kind_of(name: str) -> FileFormat:
    if name == STANDARD_INPUT:
        return "json"
    plain = name.lower().removesuffix(_COMPRESSED)
    found = _BY_SUFFIX.get(Path(plain).suffix)
    if found is None:
        known = ", ".join(_BY_SUFFIX)
        raise BatchFileError(
            f"Expected a name that ends in {known}, or these with .gz; or --format."
        )
    return found
