"""What the query of a call says: the terms of a batch file, and whole numbers."""

from __future__ import annotations

from pydantic import ValidationError
from starlette.requests import Request

from service.calls.messages import BATCH_FILES
from service.calls.schemas.batch_query import QUERY_POINTER, BatchQuery, parted, typed
from service.calls.validation import path_of
from service.problems import FieldError, invalid, pointer
from service.wording import words_of_error


def query_of(request: Request, media_type: str) -> BatchQuery | None:
    """Return what the query asks of the plan of a batch file; None for another body.

    Refused with 422 are unknown, repeated and wrong parameters, and the terms of a body that has a
    place for them itself.
    """
    pairs = request.query_params.multi_items()
    if media_type not in BATCH_FILES:
        stray = [name for name, _ in pairs if name in BatchQuery.model_fields]
        if stray:
            message = "Expected parameters with a batch file only: in this body, say it there."
            raise invalid([_error(message, name) for name in dict.fromkeys(stray)])
        return None
    values, repeated = typed(pairs)
    errors = [_error("Expected it once.", name) for name in dict.fromkeys(repeated)]
    try:
        query = BatchQuery.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        errors += [_error(words_of_error(each), str(path_of(each)[0])) for each in found]
        raise invalid(list(dict.fromkeys(errors))) from None
    errors += _repeated_llms(query)
    if errors:
        raise invalid(errors)
    return query


def _repeated_llms(query: BatchQuery) -> list[FieldError]:
    named = [parted(pair)[0] for pair in query.served_name or ()]
    return [
        _error(f"Expected one name for each LLM, got two for {llm}.", "served_name")
        for llm in dict.fromkeys(named)
        if named.count(llm) > 1
    ]


def _error(detail: str, name: str) -> FieldError:
    return FieldError(pointer(QUERY_POINTER, name), detail)


def query_number(request: Request, name: str, low: int, high: int) -> int | None:
    """Return a whole number of the query, None where left out; refuse what is out of its range."""
    given = request.query_params.get(name)
    if given is None:
        return None
    if given.isascii() and given.isdecimal() and len(given) < 20 and low <= int(given) <= high:
        return int(given)
    message = f"Expected a whole number from {low} to {high}, got {given!r:.40}."
    raise invalid([_error(message, name)])
