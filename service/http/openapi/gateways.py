"""What the OpenAPI document says of the calls that gateways make by themselves."""

from __future__ import annotations

from typing import Any

from service.calls.messages import JSON
from service.calls.schemas.decisions import (
    PRICED_INPUT_TOKENS,
    PRICED_OUTPUT_TOKENS,
    DecisionAnswer,
    PricesAnswer,
)
from service.calls.schemas.fields import MAX_SECONDS, MAX_TOKENS
from service.calls.schemas.information import ProblemAnswer
from service.http.openapi.document import SMALL_REFUSALS, refusals
from service.http.openapi.parts import TEXT, header, json_answer, parameter, reference, refusal
from service.http.refusals import FAIL_OPEN, REFUSED
from service.problems import MEDIA_TYPE

CANDIDATES = "x-jouleplan-candidates"
LLM = "x-jouleplan-llm"
ROUTE = "x-jouleplan-route"
DEADLINE = "x-jouleplan-deadline-seconds"
ENDPOINT = "x-gateway-destination-endpoint"
DECISION_ID = "x-jouleplan-decision-id"
POOL = "x-jouleplan-pool"
NOT_COUNTED = "x-jouleplan-not-counted"
"""Headers by which gateways ask for a decision, and in which they are answered."""

_NAME = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9._-]+$"}
_ENTRY = r"[A-Za-z0-9._-]{1,64}=[A-Za-z0-9]{1,63}:[1-9][0-9]{0,3}"
_REQUEST_HEADERS = (
    (
        CANDIDATES,
        "Endpoints by pool, `pool=host:port` separated by commas. Left out: all pools of the "
        "fleet that have the LLM, and no endpoint is told.",
        {"type": "string", "pattern": f"^{_ENTRY}$"},
    ),
    (LLM, "The only LLM that may serve it; the body's `model` where left out.", _NAME),
    (
        ROUTE,
        "Kind of traffic, whose answers' lengths are alike.",
        {"type": "string", "maxLength": 128},
    ),
    (
        DEADLINE,
        "From now, above 0.",
        {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_SECONDS},
    ),
    (
        FAIL_OPEN,
        f"`true`: refusals come with status 200 and `{REFUSED}`, for gateways that take any other "
        "for a denial.",
        {"enum": ["true", "false"]},
    ),
)
_ANSWER_HEADERS = (
    (ENDPOINT, "Endpoint of the chosen pool; only where candidates were given."),
    (DECISION_ID, "For the actuals."),
    (POOL, "The chosen pool."),
    (NOT_COUNTED, "Parts of the prompt that count nothing, by kind, where there are any."),
    (REFUSED, f"What stood against it, where `{FAIL_OPEN}` was asked for; then no other."),
)
_PATH = {
    **parameter(
        "path",
        "path",
        "Where the request was going; not looked at.",
        {**TEXT, "minLength": 1, "pattern": "^[a-z0-9/-]+$"},
    ),
    "example": "v1/chat/completions",
}


def destination_operation(*, in_path: bool) -> dict[str, Any]:
    """Return the operation of `POST /destination`, with or without a path behind it."""
    parameters = [parameter("header", *one) for one in _REQUEST_HEADERS]
    answer = json_answer("The answer.", DecisionAnswer)
    answer["content"][MEDIA_TYPE] = {"schema": reference(ProblemAnswer)}
    answer["headers"] = {name: header(text) for name, text in _ANSWER_HEADERS}
    return {
        "openapi_extra": {
            "parameters": [*([_PATH] if in_path else []), *parameters],
            "requestBody": {
                "required": False,
                "description": "Body of a (chat) completion, a response or a message, as it came.",
                "content": {JSON: {"schema": {"type": "object"}}},
            },
            "responses": {"200": answer, **refusals(SMALL_REFUSALS)},
        }
    }


def prices_operation() -> dict[str, Any]:
    """Return the operation of `GET /prices`."""
    responses = {
        "200": json_answer("Prices under the policy in force, at the present load.", PricesAnswer),
        "422": refusal("A parameter is no number in its range."),
        "503": refusal("No fleet is loaded yet.", retry=True),
    }
    parameters = [
        _tokens("input_tokens", 0, PRICED_INPUT_TOKENS),
        _tokens("output_tokens", 1, PRICED_OUTPUT_TOKENS),
    ]
    return {"openapi_extra": {"parameters": parameters, "responses": responses}}


def _tokens(name: str, minimum: int, default: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": minimum, "maximum": MAX_TOKENS, "default": default}
    return parameter("query", name, "Of the request that is priced.", schema)
