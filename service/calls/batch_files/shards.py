"""From the lines of a batch and a plan to shards: one file for each placement, the longest first.

Every line is in one shard, byte for byte but for the name of its LLM.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.result import PlanWarning
from service.calls.batch_files.lines import BatchLines
from service.calls.schemas.names import read_llm
from service.calls.schemas.shards import UNPLACED, Shard

WRITE_BYTES = 1024 * 1024
"""Bytes that are written at once."""


@dataclass(frozen=True)
class DraftShard:
    """A shard to be written: indices of its lines, in order, for a placement as answers list it.

    The placement is None for lines that fit none.
    """

    placement: Mapping[str, Any] | None
    order: IntArray
    filename: str


def draft_shards(
    placements: Sequence[Mapping[str, Any]],
    kept: IntArray,
    placement: IntArray,
    runtime_s: FloatArray,
    n: int,
) -> list[DraftShard]:
    """Return the shards of a plan, by index of the placement; the lines that fit none come last.

    `kept`, shape (m,), are the indices of those of the `n` lines that were planned, and
    `placement` and `runtime_s`, shape (m,), are about these. `placements` are as answers list
    them.
    """
    # Stable: lines that take as long keep the order of the file.
    longest_first = np.argsort(-np.asarray(runtime_s), kind="stable")
    used = np.unique(placement)
    filenames = _filenames([placements[index] for index in used])
    drafts = [
        DraftShard(
            placements[index], kept[longest_first[placement[longest_first] == index]], filename
        )
        for index, filename in zip(used.tolist(), filenames, strict=True)
    ]
    if len(kept) < n:
        left = np.setdiff1d(np.arange(n), kept, assume_unique=True)
        drafts.append(DraftShard(None, left, f"{UNPLACED}.jsonl"))
    return drafts


def _filenames(placements: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [f"{p['llm']}__{p['pool']}__{p['concurrency']}" for p in placements]
    often = Counter(name.casefold() for name in names)
    return [
        (f"{name}__{p['index']}" if often[name.casefold()] > 1 else name) + ".jsonl"
        for name, p in zip(names, placements, strict=True)
    ]


class ServedNames:
    """The name by which each line asks for the LLM that it was given to.

    It is the one in `given`, by LLM; else the line's own, where that is of this LLM; else the
    first spelling of this LLM in the file; else jouleplan's name.
    """

    def __init__(self, lines: BatchLines, given: Mapping[str, str]) -> None:
        self._given = given
        self._names = list(lines.names)
        self._llms = [read_llm(name) for name in self._names]
        self._first: dict[str, str] = {}
        for name, llm in zip(self._names, self._llms, strict=True):
            self._first.setdefault(llm, name)
        self._spelled = lines.spelled

    def name(self, index: int, llm: str) -> str:
        """Return the name for line `index` on `llm`."""
        if llm in self._given:
            return self._given[llm]
        own = self._spelled[index]
        if own >= 0 and self._llms[own] == llm:
            return self._names[own]
        return self._first.get(llm, llm)


def write_shard(
    draft: DraftShard, lines: BatchLines, names: ServedNames, write: Callable[[bytes], object]
) -> Shard:
    """Write a shard, a block at a time, and return its description."""
    digest, size, used = sha256(), 0, dict[str, None]()
    for block in _blocks(_lines(draft, lines, names, used)):
        digest.update(block)
        size += len(block)
        write(block)
    at = draft.placement or {}
    return Shard(
        placement=at.get("index"),
        llm=at.get("llm"),
        pool=at.get("pool"),
        concurrency=at.get("concurrency"),
        lines=len(draft.order),
        size=size,
        filename=draft.filename,
        served_names=tuple(used),
        sha256=digest.hexdigest(),
    )


def _lines(
    draft: DraftShard, lines: BatchLines, names: ServedNames, used: dict[str, None]
) -> Iterator[bytes]:
    if draft.placement is None:
        yield from map(lines.line, draft.order.tolist())
        return
    llm = draft.placement["llm"]
    for index in draft.order.tolist():
        name = names.name(index, llm)
        used[name] = None
        yield lines.line(index, name)


def _blocks(parts: Iterator[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= WRITE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def name_warnings(shards: Sequence[Shard]) -> list[PlanWarning]:
    """Return a warning where the lines of a shard ask for an LLM under several names."""
    return [
        PlanWarning(
            "served_names_differ",
            f"Lines for {shard.llm} ask for it as {', '.join(shard.served_names[:5])}: its server "
            "must answer to each, or name one with served_name.",
        )
        for shard in shards
        if len(shard.served_names) > 1
    ]
