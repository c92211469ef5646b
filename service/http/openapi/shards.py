"""What the OpenAPI document says of batch files and their shards."""

from __future__ import annotations

from typing import Any

from service.calls.schemas.shards import JSONL, ShardsAnswer
from service.http.openapi.parts import TEXT, header, json_answer, parameter, refusal
from service.http.openapi.plans import operation_of

_INDEX = parameter(
    "path", "index", "Its position in the list of shards.", {"type": "integer", "minimum": 0}
)
_IF_NONE_MATCH = parameter("header", "If-None-Match", "The `ETag` of a copy that you have.", TEXT)
_LINES = {
    "description": "The lines, byte for byte as they came but for the name of the LLM, the longest "
    "first.",
    "content": {JSONL: {"schema": TEXT}},
    "headers": {
        "ETag": header("SHA-256 of the bytes."),
        "Content-Disposition": header("What the file may be called."),
    },
}
_REFUSALS = {
    "409": refusal("The plan is queued or running still.", retry=True),
    "410": refusal("The plan has no answer, or is kept no more."),
}


def list_operation() -> dict[str, Any]:
    """Return what is said of `GET /plans/{plan_id}/shards`."""
    answer = json_answer("The shards, by placement; lines that fit none come last.", ShardsAnswer)
    return operation_of({"200": answer, **_REFUSALS})


def shard_operation() -> dict[str, Any]:
    """Return what is said of `GET /plans/{plan_id}/shards/{index}`."""
    responses = {
        "200": _LINES,
        "304": {"description": "Your copy is that of this shard."},
        **_REFUSALS,
    }
    return operation_of(responses, _INDEX, _IF_NONE_MATCH)
