"""The OpenAPI document: bodies and answers from the schemas, refusals for every path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

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
from service.calls.schemas.fields import Answer
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
from service.http.openapi.examples import FRONTIER_EXAMPLES, PLAN_EXAMPLES, PREDICT_EXAMPLES
from service.http.openapi.parts import (
    REF_TEMPLATE,
    TEXT,
    event_schema,
    header,
    json_answer,
    parameter,
    query_parameters,
    reference,
    refusal,
)

DESCRIPTION = """\
Plans where a batch of LLM requests should run so that it costs the least energy and still meets its
deadline and its quality.

Every path is served under `/v1` too. Refusals are problem details (RFC 9457) whose `errors` point
into the body. Units are in the names of the fields: joules, seconds, watts, tokens.
"""

BODIES: Sequence[type[BaseModel]] = (PlanRequest, FrontierRequest, PredictRequest)
SMALL_BODIES: Sequence[type[BaseModel]] = (DecisionBody, ActualsBody, PolicyBody)
FRONTIER_LINES: Sequence[type[Answer]] = (EndsLine, PointLine, SummaryLine, ProblemLine)
ANSWERS: Sequence[type[Answer]] = (
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

REFUSALS = {
    "400": "The body is not JSON.",
    "406": "`Accept` admits neither JSON nor an Arrow stream.",
    "413": "The body or the batch is too large, or would need more memory than there is.",
    "415": "The body is announced as nothing that can be read.",
    "422": "A field is invalid, a name unknown, a request fits no placement, or the limits "
    "contradict each other (`conflict`, `relaxations`, of which `needed_lower_bound` is proven: no "
    "plan exists below it, or above it where the limit is a floor, as `min_mean_quality`).",
    "429": "Too many calls, or bytes of bodies, wait already; or the limits of the API key are "
    "spent.",
    "503": "No worker, or no plan in time.",
}
SMALL_REFUSALS = ("400", "413", "415", "422", "503")
_STREAM = {"type": "string", "format": "binary"}
_BATCH_FILE = {
    **_STREAM,
    "description": "An OpenAI batch file: one JSON object a line, with `custom_id`, `method`, "
    "`url` and `body`. The terms of the plan are query parameters.",
}
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
_PREFER = parameter(
    "header",
    "Prefer",
    "`respond-async` (RFC 7240): do not wait for the plan, say where it will be.",
    TEXT,
)
_ACCEPTED_HEADERS = {
    "Location": header("Path of the plan."),
    "Preference-Applied": header("`respond-async`."),
}


def plan_operation() -> dict[str, Any]:
    """Return the operation of `POST /plan`."""
    operation = _call_operation(PlanRequest, PlanAnswer, PLAN_EXAMPLES)
    operation["openapi_extra"]["parameters"] = [_PREFER, *query_parameters()]
    content = operation["openapi_extra"]["requestBody"]["content"]
    content |= {media_type: {"schema": _BATCH_FILE} for media_type in BATCH_FILES}
    operation["openapi_extra"]["responses"]["202"] = {
        **json_answer("Accepted, as `Prefer: respond-async` asked for.", PlanStatusAnswer),
        "headers": _ACCEPTED_HEADERS,
    }
    return operation


def frontier_operation() -> dict[str, Any]:
    """Return the operation of `POST /plan/frontier`."""
    operation = _call_operation(FrontierRequest, PlanAnswer, FRONTIER_EXAMPLES)
    lines = ", ".join(answer.__name__ for answer in FRONTIER_LINES)
    line = {"type": "string", "description": f"One JSON object a line: {lines}."}
    event = event_schema(
        ["ends", "point", "summary", "problem"],
        {"oneOf": [reference(answer) for answer in FRONTIER_LINES]},
    )
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
    """Return the operation of `POST /predict`."""
    return _call_operation(PredictRequest, PredictAnswer, PREDICT_EXAMPLES)


def small_operation(
    body: type[BaseModel], answer: type[Answer], examples: dict[str, Any]
) -> dict[str, Any]:
    """Return the operation of a call that needs no worker."""
    content = {"schema": reference(body)} | ({"examples": examples} if examples else {})
    return {
        "openapi_extra": {
            "requestBody": {"required": True, "content": {JSON: content}},
            "responses": {"200": json_answer("The answer.", answer), **refusals(SMALL_REFUSALS)},
        }
    }


def information_operation(
    answer: type[Answer], *, may_be_unready: bool = False, may_be_unkept: bool = False
) -> dict[str, Any]:
    """Return the operation of a path that takes no body."""
    responses: dict[str, Any] = {"200": json_answer("The answer.", answer)}
    if may_be_unready:
        responses["503"] = refusal("It cannot plan; `reasons` says why.", retry=True)
    if may_be_unkept:
        responses["503"] = refusal("It cannot be kept on disk now.", retry=True)
    return {"openapi_extra": {"responses": responses}}


def metrics_operation() -> dict[str, Any]:
    """Return the operation of `GET /metrics`."""
    content = {kind: {"schema": TEXT} for kind in ("text/plain", "application/openmetrics-text")}
    return {
        "openapi_extra": {"responses": {"200": {"description": "Samples.", "content": content}}}
    }


def document(app: FastAPI, *, needs_key: bool = False) -> None:
    """Make `app.openapi` return the document with the schemas of bodies, answers and keys."""

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
    components.update(_schemas((*BODIES, *SMALL_BODIES), "validation"))
    components.update(_schemas(ANSWERS, "serialization"))
    for path in whole["paths"].values():
        for operation in path.values():
            given = operation["responses"]["200"].get("content", {})
            if given.get(JSON) == {"schema": {}}:
                given.pop(JSON)
    return whole


def _schemas(kinds: Sequence[type], mode: JsonSchemaMode) -> dict[str, Any]:
    inputs = [(kind, mode, TypeAdapter[Any](kind)) for kind in kinds]
    _, schemas = TypeAdapter.json_schemas(inputs, ref_template=REF_TEMPLATE)
    return dict(schemas["$defs"])


def _call_operation(
    body: type[BaseModel], answer: type[Answer], examples: dict[str, Any]
) -> dict[str, Any]:
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
            "responses": {"200": answers, **refusals()},
        }
    }


def refusals(statuses: Iterable[str] = REFUSALS, prefix: str = "") -> dict[str, Any]:
    """Return the responses of these statuses, each description behind the same prefix."""
    return {
        status: refusal(prefix + REFUSALS[status], retry=status in {"429", "503"})
        for status in statuses
    }
