"""From a path to a batch, by the kind of the file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, get_args

from service.batch_files.batch_file import BatchFile, BatchFileError
from service.batch_files.csv_file import read_csv
from service.batch_files.json_file import read_json
from service.batch_files.openai_batch import read_openai_batch
from service.batch_files.parquet_file import read_parquet
from service.batch_files.token_rule import TokenRule

Kind = Literal["json", "csv", "parquet", "openai-batch"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STANDARD_INPUT = "-"

_BY_SUFFIX: dict[str, Kind] = {
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "openai-batch",
    ".ndjson": "openai-batch",
}


def read_batch(name: str, kind: Kind | None, rule: TokenRule) -> BatchFile:
    """Return the batch of a file.

    Parameters
    ----------
    name
        Path of the file; ``-`` for standard input.
    kind
        None: as the end of the name tells.
    rule
        How tokens are estimated where the file has prompts.

    Raises
    ------
    BatchFileError
        Where it cannot be read, or is not of its kind.
    """
    kind = kind or _kind_of(name)
    try:
        data = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    except OSError as error:
        raise BatchFileError(f"Expected a file that can be read, got: {error.strerror}.") from None
    if kind == "openai-batch":
        return read_openai_batch(data, rule)
    return {"json": read_json, "csv": read_csv, "parquet": read_parquet}[kind](data)


def _kind_of(name: str) -> Kind:
    if name == STANDARD_INPUT:
        return "json"
    found = _BY_SUFFIX.get(Path(name).suffix.lower())
    if found is None:
        known = ", ".join(_BY_SUFFIX)
        raise BatchFileError(f"Expected a name that ends in {known}, or --format.")
    return found
