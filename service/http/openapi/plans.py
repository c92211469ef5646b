"""What the OpenAPI document says of asynchronous plans."""

from __future__ import annotations

from typing import Any

from service.calls.schemas.actuals import PlanActualsAnswer
from service.calls.schemas.answers import PlanAnswer
from service.calls.schemas.plans import PlansAnswer, PlanStatusAnswer
from service.http.openapi.document import REFUSALS, json_answer, reference, refusal

PLAN_ID = {
    "name": "plan_id",
    "in": "path",
    "required": True,
    "description": "As `POST /plan` named it.",
    "schema": {"type": "string", "minLength": 1},
    "example": "9f1c6b0e-5a53-4d4c-8f0e-0f6f3b1c2d4e",
}
_LAST_EVENT = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "Number of the last event that you have heard: what came after it is sent.",
    "schema": {"type": "string"},
}
_NOT_FOUND = refusal("There is no plan of that name.", retry=False)
_UNAVAILABLE = refusal("The store cannot be used.", retry=True)
_EVENTS = {
    "description": "Events `progress` and, last, `end`; the data of each is the state of the plan. "
    "Comments keep the connection open.",
    "content": {
        "text/event-stream": {
            "schema": {
                "type": "object",
                "description": "One event.",
                "required": ["id", "event", "data"],
                "properties": {
                    "id": {"type": "string", "description": "Its number."},
                    "event": {"enum": ["progress", "end"]},
                    "data": {
                        "type": "string",
                        "contentMediaType": "application/json",
                        "contentSchema": reference(PlanStatusAnswer),
                    },
                },
            }
        }
    },
}


def list_operation() -> dict[str, Any]:
    """Return what is said of `GET /plans`."""
    parameters = [
        _query("limit", "Plans on a page, 20 where left out.", 100),
        _query("before", "Plans that are older than that number; `next` has it.", 2**63 - 1),
    ]
    responses = {
        "200": json_answer("Plans, the newest first.", PlansAnswer),
        "422": refusal("A parameter is no number in its range.", retry=False),
        "503": _UNAVAILABLE,
    }
    return {"openapi_extra": {"parameters": parameters, "responses": responses}}


def status_operation() -> dict[str, Any]:
    """Return what is said of `GET /plans/{plan_id}`."""
    answer = json_answer(
        "Its state; with `Accept: text/event-stream`, its events.", PlanStatusAnswer
    )
    answer["content"] |= _EVENTS["content"]
    return _operation({"200": answer, **_heard()}, _LAST_EVENT)


def actuals_operation() -> dict[str, Any]:
    """Return what is said of `GET /plans/{plan_id}/actuals`."""
    answers = {
        "200": json_answer("Sums over the actuals that told that plan.", PlanActualsAnswer),
        "404": refusal("No actuals of that plan are kept.", retry=False),
        "503": _UNAVAILABLE,
    }
    return {"openapi_extra": {"parameters": [PLAN_ID], "responses": answers}}


def events_operation() -> dict[str, Any]:
    """Return what is said of `GET /plans/{plan_id}/events`."""
    return _operation({"200": _EVENTS, **_heard()}, _LAST_EVENT)


def result_operation() -> dict[str, Any]:
    """Return what is said of `GET /plans/{plan_id}/result`."""
    refusals = {
        status: refusal(f"As of `POST /plan`: {text}", retry=status in {"429", "503"})
        for status, text in REFUSALS.items()
    }
    return _operation(
        {
            "200": json_answer("The answer of `POST /plan`.", PlanAnswer),
            **refusals,
            "409": refusal("It is queued or running still.", retry=True),
            "410": refusal("It was cancelled or interrupted.", retry=False),
        }
    )


def cancel_operation() -> dict[str, Any]:
    """Return what is said of `DELETE /plans/{plan_id}`."""
    return _operation(
        {
            "200": json_answer("It was queued or running: how it ended.", PlanStatusAnswer),
            "204": {"description": "It had ended: it and its answer are forgotten."},
        }
    )


def _heard() -> dict[str, Any]:
    return {"204": {"description": "The last event was heard already: nothing follows."}}


def _operation(responses: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    return operation_of(responses, PLAN_ID, *parameters)


def operation_of(responses: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of a path of one plan, with the refusals that all of them have."""
    refusals = {"404": _NOT_FOUND, "503": _UNAVAILABLE}
    return {
        "openapi_extra": {
            "parameters": list(parameters),
            "responses": {**responses, **refusals},
        }
    }


def _query(name: str, description: str, most: int) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": {"type": "integer", "minimum": 1, "maximum": most},
    }
