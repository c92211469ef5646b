"""What the OpenAPI document says of a batch file as the body of `POST /plan`."""

from __future__ import annotations

from typing import Any

from service.calls.schemas.batch_query import BatchQuery

BATCH_FILE = {
    "type": "string",
    "format": "binary",
    "description": "An OpenAI batch file: one JSON object a line, with `custom_id`, `method`, "
    "`url` and `body`. The terms of the plan are query parameters.",
}
_LISTS = {"llms": False, "pools": False, "served_name": True}


def query_parameters() -> list[dict[str, Any]]:
    """Return the query parameters of `POST /plan`."""
    properties = BatchQuery.model_json_schema()["properties"]
    return [_parameter(name, schema) for name, schema in properties.items()]


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    described = f"Of a batch file: {schema['description']}"
    parameter = {
        "name": name,
        "in": "query",
        "required": False,
        "description": described,
        "schema": _not_null(schema),
    }
    if name in _LISTS:
        parameter |= {"style": "form", "explode": _LISTS[name]}
    return parameter


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that is there: a parameter can be left out, but not be null."""
    kind: dict[str, Any] = next(one for one in schema["anyOf"] if one.get("type") != "null")
    return {key: value for key, value in kind.items() if key not in {"description", "examples"}}
