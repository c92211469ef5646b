"""Shards: the lines of a batch file that one placement serves, or none does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Field

from service.calls.schemas.fields import Answer

JSONL = "application/jsonl"
UNPLACED = "unplaced"


class ShardAnswer(Answer):
    """The lines that one placement serves, the longest first; or those that fit none."""

    index: Annotated[int, Field(ge=0, description="Position in this list.")]
    placement: Annotated[
        int | None,
        Field(
            ge=0,
            description="Index into `placements`; null, as the next three, for lines that fit "
            "none.",
        ),
    ]
    llm: str | None
    pool: str | None
    concurrency: Annotated[int | None, Field(ge=1, description="Requests that share a device.")]
    lines: Annotated[int, Field(ge=1, description="How many.")]
    bytes: Annotated[int, Field(ge=1, description="Of all of them.")]
    filename: Annotated[str, Field(description="What the file may be called.")]
    served_names: Annotated[
        Sequence[str], Field(description="Names under which the lines ask for the LLM, each once.")
    ]
    sha256: Annotated[str, Field(description="Of its bytes, as hexadecimal digits.")]
    url: Annotated[str, Field(description="Path of its lines.")]


class ShardsAnswer(Answer):
    """Answer of `GET /plans/{plan_id}/shards`."""

    plan_id: str
    shards: list[ShardAnswer]


@dataclass(frozen=True)
class Shard:
    """One shard; `placement` is an index, and None, as the next three, for lines that fit none.

    `served_names` are the names of the LLM in its lines, each once.
    """

    placement: int | None
    llm: str | None
    pool: str | None
    concurrency: int | None
    lines: int
    size: int
    filename: str
    served_names: tuple[str, ...]
    sha256: str

    def kept(self) -> dict[str, Any]:
        """Return it as JSON to be kept."""
        return asdict(self)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Shard:
        """Return one that was kept."""
        return cls(**{**kept, "served_names": tuple(kept["served_names"])})


def answer_start(shards: Sequence[Shard]) -> int:
    """Return the position in a body, behind its shards, at which the answer begins [bytes]."""
    return sum(shard.size for shard in shards)


def shard_answers(shards: tuple[Shard, ...], path: str) -> list[ShardAnswer]:
    """Return the shards of a plan at `path`, ``/plans/<plan_id>``, as answers list them."""
    return [
        {
            "index": index,
            "placement": shard.placement,
            "llm": shard.llm,
            "pool": shard.pool,
            "concurrency": shard.concurrency,
            "lines": shard.lines,
            "filename": shard.filename,
            "served_names": shard.served_names,
            "sha256": shard.sha256,
            "bytes": shard.size,
            "url": f"{path}/shards/{index}",
        }
        for index, shard in enumerate(shards)
    ]
