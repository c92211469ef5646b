"""Whole numbers in the query of a call."""

from __future__ import annotations

from starlette.requests import Request

from service.calls.schemas.batch_query import PREFIX
from service.problems import FieldError, invalid, pointer


def query_number(request: Request, name: str, least: int, most: int) -> int | None:
    """Return a whole number of the query; None where it is left out.

    Raises
    ------
    ProblemError
        422 where it is no number in its range.
    """
    given = request.query_params.get(name)
    if given is None:
        return None
    if given.isascii() and given.isdecimal() and len(given) < 20 and least <= int(given) <= most:
        return int(given)
    message = f"Expected a whole number from {least} to {most}, got {given!r:.40}."
    raise invalid([FieldError(pointer(PREFIX, name), message)])
