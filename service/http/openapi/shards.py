"""What the OpenAPI document says of batch files and their shards."""

from __future__ import annotations

from typing import Any

from service.calls.schemas.shards import ShardsAnswer
from service.calls.shard import JSONL
from service.http.openapi.document import json_answer, refusal
from service.http.openapi.plans import PLAN_ID, operation_of

_INDEX = {
    "name": "index",
    "in": "path",
    "required": True,
    "description": "Its position in the list of shards.",
    "schema": {"type": "integer", "minimum": 0},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of a copy that you have.",
    "schema": {"type": "string"},
}
_LINES = {
    "description": "The lines, byte for byte as they came but for the name of the LLM, the longest "
    "first.",
    "content": {JSONL: {"schema": {"type": "string"}}},
    "headers": {
        "ETag": {"description": "SHA-256 of the bytes.", "schema": {"type": "string"}},
        "Content-Disposition": {
            "description": "What the file may be called.",
            "schema": {"type": "string"},
        },
    },
}
_REFUSALS = {
    "409": refusal("The plan is queued or running still.", retry=True),
    "410": refusal("The plan has no answer, or is kept no more.", retry=False),
}


def list_operation() -> dict[str, Any]:
    """Return what is said of `GET /plans/{plan_id}/shards`."""
    answer = json_answer("The shards, by placement; lines that fit none come last.", ShardsAnswer)
    return operation_of({"200": answer, **_REFUSALS}, PLAN_ID)


def shard_operation() -> dict[str, Any]:
    """Return what is said of `GET /plans/{plan_id}/shards/{index}`."""
    responses = {
        "200": _LINES,
        "304": {"description": "Your copy is that of this shard."},
        **_REFUSALS,
    }
    return operation_of(responses, PLAN_ID, _INDEX, _IF_NONE_MATCH)
