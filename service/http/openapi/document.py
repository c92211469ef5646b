"""The OpenAPI document: bodies and answers from the schemas, refusals for every path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.calls.messages import ARROW, BATCH_FILES, EVENT_STREAM, JSON, NDJSON
from service.calls.schemas.actuals import (
    ActualsAnswer,
    ActualsBody,
    EvidenceAnswer,
    PlanActualsAnswer,
)
from service.calls.schemas.answers import PlanAnswer, PredictAnswer
from service.calls.schemas.calls import PlanRequest, PredictRequest
from service.calls.schemas.decisions import DecisionAnswer, DecisionBody, PricesAnswer
from service.calls.schemas.frontier import (
    EndsLine,
    FrontierRequest,
    PointLine,
    ProblemLine,
    SummaryLine,
)
from service.calls.schemas.information import (
    CostModelsAnswer,
    HealthAnswer,
    PlacementsAnswer,
    ProblemAnswer,
    ReadinessAnswer,
)
from service.calls.schemas.plans import PlansAnswer, PlanStatusAnswer
from service.calls.schemas.policy import PolicyBody, PolicyInForce
from service.calls.schemas.shards import ShardsAnswer
from service.http.openapi.access import with_access
from service.http.openapi.batch_files import BATCH_FILE, query_parameters
from service.http.openapi.examples import (
    DECISION_EXAMPLES,
    FRONTIER_EXAMPLES,
    PLAN_EXAMPLES,
    PREDICT_EXAMPLES,
)
from service.problems import MEDIA_TYPE

DESCRIPTION = """\
Plans where a batch of LLM requests should run so that it costs the least energy and still meets its
deadline and its quality.

Every path is served under `/v1` too. Refusals are problem details (RFC 9457) whose `errors` point
into the body. Units are in the names of the fields: joules, seconds, watts, tokens.
"""

BODIES: Sequence[type[BaseModel]] = (PlanRequest, FrontierRequest, PredictRequest)
FRONTIER_LINES: Sequence[type[BaseModel]] = (EndsLine, PointLine, SummaryLine, ProblemLine)
SMALL_BODIES: Sequence[type[BaseModel]] = (DecisionBody, ActualsBody, PolicyBody)
ANSWERS: Sequence[type[BaseModel]] = (
    PlanAnswer,
    *FRONTIER_LINES,
    PlanStatusAnswer,
    PlansAnswer,
    ShardsAnswer,
    PredictAnswer,
    DecisionAnswer,
    PolicyInForce,
    PricesAnswer,
    ActualsAnswer,
    EvidenceAnswer,
    PlanActualsAnswer,
    PlacementsAnswer,
    CostModelsAnswer,
    HealthAnswer,
    ReadinessAnswer,
    ProblemAnswer,
)
REF_TEMPLATE = "#/components/schemas/{model}"

REFUSALS = {
    "400": "The body is not JSON.",
    "406": "`Accept` admits neither JSON nor an Arrow stream.",
    "413": "The body or the batch is too large, or would need more memory than there is.",
    "415": "The body is announced as nothing that can be read.",
    "422": "A field is invalid, a name unknown, a request fits no placement, or the limits "
    "contradict each other (`conflict`, `relaxations`).",
    "429": "Too many calls, or bytes of bodies, wait already; or the limits of the API key are "
    "spent.",
    "503": "No worker, or no plan in time.",
}
_STREAM = {"type": "string", "format": "binary"}
_STREAM_OF_CALL = {
    **_STREAM,
    "description": "An Arrow IPC stream with the columns of `columns`; all else of the body is a "
    "JSON object under the key `jouleplan` of the schema's metadata.",
}
_STREAM_OF_ANSWER = {
    **_STREAM,
    "description": "An Arrow IPC stream, one row a request; all else of the answer is a JSON "
    "object under the key `jouleplan` of the schema's metadata.",
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "schema": {"type": "integer", "minimum": 0},
    }
}


_PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`respond-async` (RFC 7240): do not wait for the plan, say where it will be.",
    "schema": {"type": "string"},
}
_ACCEPTED_HEADERS = {
    "Location": {"description": "Path of the plan.", "schema": {"type": "string"}},
    "Preference-Applied": {"description": "`respond-async`.", "schema": {"type": "string"}},
}


def plan_operation() -> dict[str, Any]:
    """Return what the OpenAPI document says of `POST /plan`."""
    operation = _call_operation(PlanRequest, PlanAnswer, PLAN_EXAMPLES)
    operation["openapi_extra"]["parameters"] = [_PREFER, *query_parameters()]
    content = operation["openapi_extra"]["requestBody"]["content"]
    content |= {media_type: {"schema": BATCH_FILE} for media_type in BATCH_FILES}
    operation["openapi_extra"]["responses"]["202"] = {
        **json_answer("Accepted, as `Prefer: respond-async` asked for.", PlanStatusAnswer),
        "headers": _ACCEPTED_HEADERS,
    }
    return operation


def frontier_operation() -> dict[str, Any]:
    """Return what the OpenAPI document says of `POST /plan/frontier`."""
    operation = _call_operation(FrontierRequest, PlanAnswer, FRONTIER_EXAMPLES)
    lines = ", ".join(answer.__name__ for answer in FRONTIER_LINES)
    line = {"type": "string", "description": f"One JSON object a line: {lines}."}
    event = {
        "type": "object",
        "description": "One event.",
        "required": ["event", "data"],
        "properties": {
            "event": {"enum": ["ends", "point", "summary", "problem"]},
            "data": {
                "type": "string",
                "contentMediaType": JSON,
                "contentSchema": {"oneOf": [reference(answer) for answer in FRONTIER_LINES]},
            },
        },
    }
    del operation["openapi_extra"]["responses"]["406"]
    operation["openapi_extra"]["responses"]["200"] = {
        "description": "The front, line by line as it is found: `ends`, `point` after `point` in "
        "ascending order of the first axis, `summary`; or a `problem` as the last line, where "
        "something went wrong after the first. With `Accept: text/event-stream`, each is an event "
        "of that name.",
        "content": {NDJSON: {"schema": line}, EVENT_STREAM: {"schema": event}},
    }
    return operation


def predict_operation() -> dict[str, Any]:
    """Return what the OpenAPI document says of `POST /predict`."""
    return _call_operation(PredictRequest, PredictAnswer, PREDICT_EXAMPLES)


def small_operation(
    body: type[BaseModel], answer: type[BaseModel], examples: dict[str, Any]
) -> dict[str, Any]:
    """Return what the OpenAPI document says of a call that no worker is needed for."""
    refusals = {
        status: refusal(REFUSALS[status], retry=status == "503")
        for status in ("400", "413", "415", "422", "503")
    }
    content = {"schema": reference(body)} | ({"examples": examples} if examples else {})
    return {
        "openapi_extra": {
            "requestBody": {"required": True, "content": {JSON: content}},
            "responses": {"200": json_answer("The answer.", answer), **refusals},
        }
    }


def decision_operation() -> dict[str, Any]:
    """Return what the OpenAPI document says of `POST /decision`."""
    return small_operation(DecisionBody, DecisionAnswer, DECISION_EXAMPLES)


def information_operation(
    answer: type[BaseModel], *, may_be_unready: bool = False, may_be_unkept: bool = False
) -> dict[str, Any]:
    """Return what the OpenAPI document says of a path that takes no body."""
    responses: dict[str, Any] = {"200": json_answer("The answer.", answer)}
    if may_be_unready:
        responses["503"] = refusal("It cannot plan; `reasons` says why.", retry=True)
    if may_be_unkept:
        responses["503"] = refusal("It cannot be kept on disk now.", retry=True)
    return {"openapi_extra": {"responses": responses}}


def metrics_operation() -> dict[str, Any]:
    """Return what the OpenAPI document says of `GET /metrics`."""
    text: dict[str, Any] = {"schema": {"type": "string"}}
    content = {"text/plain": text, "application/openmetrics-text": text}
    return {
        "openapi_extra": {"responses": {"200": {"description": "Samples.", "content": content}}}
    }


def document(app: FastAPI, *, needs_key: bool = False) -> None:
    """Make `app.openapi` return the document with the schemas of bodies and answers.

    Parameters
    ----------
    app
        The application.
    needs_key
        Whether a call needs an API key.
    """

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = with_access(_document(app), needs_key=needs_key)
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    whole = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = whole.setdefault("components", {}).setdefault("schemas", {})
    for models, mode in (((*BODIES, *SMALL_BODIES), "validation"), (ANSWERS, "serialization")):
        _, schemas = models_json_schema(
            [(model, mode) for model in models],  # type: ignore[misc]
            ref_template=REF_TEMPLATE,
        )
        components.update(schemas["$defs"])
    for path in whole["paths"].values():
        for operation in path.values():
            given = operation["responses"]["200"].get("content", {})
            if given.get(JSON) == {"schema": {}}:
                given.pop(JSON)
    return whole


def _call_operation(
    body: type[BaseModel], answer: type[BaseModel], examples: dict[str, Any]
) -> dict[str, Any]:
    refusals = {
        status: refusal(text, retry=status in {"429", "503"}) for status, text in REFUSALS.items()
    }
    answers = json_answer("The answer.", answer)
    answers["content"][ARROW] = {"schema": _STREAM_OF_ANSWER}
    return {
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {
                    JSON: {"schema": reference(body), "examples": examples},
                    ARROW: {"schema": _STREAM_OF_CALL},
                },
            },
            "responses": {"200": answers, **refusals},
        }
    }


def reference(schema: type[BaseModel]) -> dict[str, str]:
    """Return where the document has a schema."""
    return {"$ref": REF_TEMPLATE.format(model=schema.__name__)}


def json_answer(text: str, schema: type[BaseModel]) -> dict[str, Any]:
    """Return what is said of an answer in JSON."""
    return {"description": text, "content": {JSON: {"schema": reference(schema)}}}


def refusal(text: str, *, retry: bool) -> dict[str, Any]:
    """Return what is said of a refusal, with `Retry-After` where it has one."""
    problem = {"description": text, "content": {MEDIA_TYPE: {"schema": reference(ProblemAnswer)}}}
    return {**problem, "headers": _RETRY_AFTER} if retry else problem
