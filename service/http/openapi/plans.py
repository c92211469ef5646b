"""What the OpenAPI document says of asynchronous plans, and of the shards of batch files."""

from __future__ import annotations

from typing import Any

from service.calls.messages import EVENT_STREAM
from service.calls.schemas.actuals import PlanActualsAnswer
from service.calls.schemas.answers import PlanAnswer
from service.calls.schemas.plans import PlansAnswer, PlanStatusAnswer
from service.calls.schemas.shards import JSONL, ShardsAnswer
from service.http.openapi.document import refusals
from service.http.openapi.parts import (
    TEXT,
    event_schema,
    header,
    json_answer,
    parameter,
    reference,
    refusal,
)

_PLAN_ID = {
    **parameter("path", "plan_id", "As `POST /plan` named it.", {**TEXT, "minLength": 1}),
    "example": "9f1c6b0e-5a53-4d4c-8f0e-0f6f3b1c2d4e",
}
_LAST_EVENT = parameter(
    "header",
    "Last-Event-ID",
    "Number of the last event that you received: what came after it is sent.",
    TEXT,
)
_SEEN_LAST = {"204": {"description": "The last event was received already: nothing follows."}}
_NOT_FOUND = refusal("There is no plan of that name.")
_UNAVAILABLE = refusal("The store cannot be used.", retry=True)
_EVENTS = {
    "description": "Events `progress` and, last, `end`; the data of each is the state of the plan. "
    "Comments keep the connection open.",
    "content": {
        EVENT_STREAM: {
            "schema": event_schema(
                ["progress", "end"],
                reference(PlanStatusAnswer),
                id={"type": "string", "description": "Its number."},
            )
        }
    },
}
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
    """Return the operation of `GET /plans`."""
    parameters = [
        _query("limit", "Plans on a page, 20 where left out.", 100),
        _query("before", "Plans that are older than that number; `next` has it.", 2**63 - 1),
    ]
    responses = {
        "200": json_answer("Plans, the newest first.", PlansAnswer),
        "422": refusal("A parameter is no number in its range."),
        "503": _UNAVAILABLE,
    }
    return {"openapi_extra": {"parameters": parameters, "responses": responses}}


def status_operation() -> dict[str, Any]:
    """Return the operation of `GET /plans/{plan_id}`."""
    answer = json_answer(
        "Its state; with `Accept: text/event-stream`, its events.", PlanStatusAnswer
    )
    answer["content"] |= _EVENTS["content"]
    return _operation_of({"200": answer, **_SEEN_LAST}, _LAST_EVENT)


def actuals_operation() -> dict[str, Any]:
    """Return the operation of `GET /plans/{plan_id}/actuals`."""
    answers = {
        "200": json_answer("Sums over the actuals that told that plan.", PlanActualsAnswer),
        "404": refusal("No actuals of that plan are kept."),
        "503": _UNAVAILABLE,
    }
    return {"openapi_extra": {"parameters": [_PLAN_ID], "responses": answers}}


def events_operation() -> dict[str, Any]:
    """Return the operation of `GET /plans/{plan_id}/events`."""
    return _operation_of({"200": _EVENTS, **_SEEN_LAST}, _LAST_EVENT)


def result_operation() -> dict[str, Any]:
    """Return the operation of `GET /plans/{plan_id}/result`."""
    return _operation_of(
        {
            "200": json_answer("The answer of `POST /plan`.", PlanAnswer),
            **refusals(prefix="As of `POST /plan`: "),
            "409": refusal("It is queued or running still.", retry=True),
            "410": refusal("It was cancelled or interrupted."),
        }
    )


def cancel_operation() -> dict[str, Any]:
    """Return the operation of `DELETE /plans/{plan_id}`."""
    return _operation_of(
        {
            "200": json_answer("It was queued or running: how it ended.", PlanStatusAnswer),
            "204": {"description": "It had ended: it and its answer are forgotten."},
        }
    )


def shards_operation() -> dict[str, Any]:
    """Return the operation of `GET /plans/{plan_id}/shards`."""
    answer = json_answer("The shards, by placement; lines that fit none come last.", ShardsAnswer)
    return _operation_of({"200": answer, **_REFUSALS})


def shard_operation() -> dict[str, Any]:
    """Return the operation of `GET /plans/{plan_id}/shards/{index}`."""
    responses = {
        "200": _LINES,
        "304": {"description": "Your copy is that of this shard."},
        **_REFUSALS,
    }
    return _operation_of(responses, _INDEX, _IF_NONE_MATCH)


def _operation_of(responses: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    """Return an operation on one plan, with the refusals that all of them have."""
    refusals = {"404": _NOT_FOUND, "503": _UNAVAILABLE}
    return {
        "openapi_extra": {
            "parameters": [_PLAN_ID, *parameters],
            "responses": {**responses, **refusals},
        }
    }


def _query(name: str, description: str, maximum: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": maximum}
    return parameter("query", name, description, schema)
