"""What operations of the OpenAPI document are made of: parameters, answers, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from service.calls.messages import JSON
from service.calls.schemas.batch_query import BatchQuery
from service.calls.schemas.fields import Answer
from service.calls.schemas.information import ProblemAnswer
from service.problems import MEDIA_TYPE

REF_TEMPLATE = "#/components/schemas/{model}"
TEXT = {"type": "string"}
_LISTS = {"llms": False, "pools": False, "served_name": True}


def parameter(where: str, name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter in the path, the query or a header; only one in the path is required."""
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": description,
        "schema": schema,
    }


def header(description: str, schema: dict[str, Any] = TEXT) -> dict[str, Any]:
    """Return a header of an answer."""
    return {"description": description, "schema": schema}


def query_parameters() -> list[dict[str, Any]]:
    """Return the query parameters of `POST /plan`."""
    properties = BatchQuery.model_json_schema()["properties"]
    return [_of_batch_file(name, schema) for name, schema in properties.items()]


def _of_batch_file(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    described = f"Of a batch file: {schema['description']}"
    listed = {"style": "form", "explode": _LISTS[name]} if name in _LISTS else {}
    return parameter("query", name, described, _not_null(schema)) | listed


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that is there: a parameter can be left out, but not be null."""
    kind: dict[str, Any] = next(one for one in schema["anyOf"] if one.get("type") != "null")
    return {key: value for key, value in kind.items() if key not in {"description", "examples"}}


def event_schema(kinds: Sequence[str], data: dict[str, Any], **more: object) -> dict[str, Any]:
    """Return the schema of a server-sent event of these kinds, whose data is JSON."""
    return {
        "type": "object",
        "description": "One event.",
        "required": [*more, "event", "data"],
        "properties": {
            **more,
            "event": {"enum": kinds},
            "data": {"type": "string", "contentMediaType": JSON, "contentSchema": data},
        },
    }


def reference(schema: type[BaseModel | Answer]) -> dict[str, str]:
    """Return a reference to a schema of the document."""
    return {"$ref": REF_TEMPLATE.format(model=schema.__name__)}


def json_answer(text: str, schema: type[Answer]) -> dict[str, Any]:
    """Return a response whose body is JSON of a schema."""
    return {"description": text, "content": {JSON: {"schema": reference(schema)}}}


def refusal(
    text: str, *, retry: bool = False, headers: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a response that is a problem, with `Retry-After` where it has one."""
    if retry:
        schema = {"type": "integer", "minimum": 0}
        headers = {"Retry-After": header("Seconds to wait before the next try.", schema)}
    problem = {"description": text, "content": {MEDIA_TYPE: {"schema": reference(ProblemAnswer)}}}
    return {**problem, "headers": headers} if headers else problem
