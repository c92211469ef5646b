"""`jouleplan plan FILE --shards DIR`: the same shards that the service gives, as files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.nearest import counted
from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.lines import BatchLines
from service.calls.batch_files.shards import (
    DraftShard,
    ServedNames,
    draft_shards,
    name_warnings,
    write_shard,
)
from service.calls.schemas.batch_query import parted
from service.calls.schemas.shards import Shard
from service.cli.arguments import OptionError
from service.cli.whole_files import written_whole

PATTERN = "*.jsonl"


def served_names(options: argparse.Namespace) -> dict[str, str]:
    """Return LLM to the name that its server has; OptionError where no pair or an LLM twice."""
    pairs = [parted(text) for text in options.served_name]
    names = dict(pairs)
    if len(names) < len(pairs) or not all(llm and name for llm, name in pairs):
        got = ", ".join(options.served_name)
        raise OptionError(f"Expected --served-name LLM:NAME, once for each LLM, got {got}.")
    return names


def check_folder(options: argparse.Namespace) -> None:
    """Refuse a folder that holds shards already, before there is work that could be lost.

    An OptionError is raised where it does, unless they may be overwritten.
    """
    folder: Path | None = options.shards
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"Expected --shards to be a folder, got {folder}.")
    found = next(folder.glob(PATTERN), None) if folder.exists() else None
    if found is not None and not options.overwrite:
        raise OptionError(
            f"Expected a folder without {PATTERN} for --shards, got one with {found.name}: clear "
            "it, or say --overwrite."
        )


def write_shards(
    answer: Mapping[str, Any], batch: BatchFile, folder: Path, given: Mapping[str, str]
) -> list[Shard]:
    """Write the shards of a plan into a folder, each whole or not at all.

    `answer` is that of `/plan`, and `given` has the name of each LLM on its server. A
    BatchFileError is raised where the file is no OpenAI batch, an OptionError where the folder
    cannot be written.
    """
    if batch.lines is None:
        raise BatchFileError("Expected an OpenAI batch for --shards.")
    strange = [llm for llm in given if llm not in {p["llm"] for p in answer["placements"]}]
    if strange:
        raise OptionError(f"Expected LLMs of the fleet for --served-name, got {strange[0]}.")
    names, n = ServedNames(batch.lines, given), len(batch.lines)
    left = {listed["index"] for listed in answer["unplaceable"]}
    kept = np.array([index for index in range(n) if index not in left], dtype=np.int64)
    columns = answer["columns"]
    drafts = draft_shards(
        answer["placements"],
        kept,
        np.array(columns["placement"], dtype=np.int64),
        np.array(columns["runtime_seconds"]),
        n,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(draft, batch.lines, names, folder) for draft in drafts]
    except OSError as error:
        raise OptionError(f"--shards: {folder} cannot be written: {error.strerror}.") from None


def _write(draft: DraftShard, lines: BatchLines, names: ServedNames, folder: Path) -> Shard:
    path = folder / draft.filename
    with written_whole(path) as file:
        return write_shard(draft, lines, names, file.write)


def describe_shards(shards: Sequence[Shard], folder: Path | None) -> Iterator[str]:
    """Yield the lines that say what was written, and what else lies there."""
    if folder is None:
        return
    for shard in shards:
        names = f" as {', '.join(shard.served_names)}" if shard.served_names else ""
        size = f"{counted(shard.lines, 'line')}, {counted(shard.size, 'byte')}"
        yield f"{folder / shard.filename}: {size}{names}"
    for warning in name_warnings(shards):
        yield f"warning   {warning.code}: {warning.message}"
    others = {path.name for path in folder.glob(PATTERN)} - {s.filename for s in shards}
    for name in sorted(others):
        yield f"{folder / name}: was there before, and is not of this plan"
