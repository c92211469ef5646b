"""What is told of a shard: the lines of a batch file that one placement serves, or none does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.calls.schemas.shards import ShardAnswer

JSONL = "application/jsonl"
UNPLACED = "unplaced"


@dataclass(frozen=True)
class Shard:
    """One shard.

    Attributes
    ----------
    placement
        Its index; None, as the next three, for the lines that fit no placement.
    lines, size
        How many, and bytes.
    filename
        What it may be called.
    served_names
        The names of the LLM in its lines, each once.
    sha256
        Of its bytes, as hexadecimal digits.
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


def shard_answers(shards: tuple[Shard, ...], path: str) -> list[ShardAnswer]:
    """Return shards as answers list them.

    Parameters
    ----------
    shards
        Of a plan.
    path
        Of the plan: ``/plans/<plan_id>``.
    """
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
