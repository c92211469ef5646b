"""Answers about shards, as `service.calls.shard` tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from service.calls.schemas.fields import Answer


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
