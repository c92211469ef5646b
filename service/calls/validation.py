"""From bytes to checked schemas: what pydantic finds, as problems with JSON pointers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from service.calls.schemas.fields import COUNT, PROMPTS, QUANTILES
from service.calls.schemas.requests import LISTED, MIXED
from service.problems import FieldError, Problem, ProblemError, invalid, pointer
from service.wording import words_of_error

Schema = TypeVar("Schema", bound=BaseModel)

_MARKS = frozenset({"[key]", COUNT, QUANTILES, PROMPTS, LISTED, MIXED})


def parse(body: bytes, schema: type[Schema]) -> Schema:
    """Return the body as a checked `schema`.

    A ProblemError has the status 400 where the body is not JSON (or nested too deeply to be
    read), and 422 with a pointer for each field that breaks the schema.
    """
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False)
    malformed = next((e for e in found if e["type"] == "json_invalid"), None)
    if malformed is not None:
        raise ProblemError(
            Problem("malformed-json", malformed["msg"], [FieldError("", malformed["msg"])])
        )
    raise invalid([FieldError(pointer(*path_of(e)), words_of_error(e)) for e in found])


def path_of(error: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return the path of a pydantic error, without the marks that are not in the document."""
    return tuple(part for part in error["loc"] if part not in _MARKS)
