"""Bodies that are small enough to be read, checked and answered in the event loop."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from service.calls.messages import JSON
from service.calls.validation import parse
from service.http.routes.content_encoding import decoded, is_encoded
from service.problems import Problem, ProblemError

Schema = TypeVar("Schema", bound=BaseModel)
MAX_BYTES = 1024 * 1024


async def read_small(request: Request, schema: type[Schema], max_bytes: int = MAX_BYTES) -> Schema:
    """Return the body of a request of at most so many bytes as a checked `schema`.

    Raises
    ------
    ProblemError
        400, 413, 415 or 422.
    """
    return parse(await read_small_bytes(request, max_bytes), schema)


async def read_small_bytes(request: Request, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the body of a request of at most so many bytes, inflated where it came compressed.

    Raises
    ------
    ProblemError
        400, 413 or 415.
    """
    given = request.headers.get("content-type")
    if given is not None and given.partition(";")[0].strip().lower() != JSON:
        raise _unsupported(given)
    parts, size = [], 0
    async for part in decoded(request, max_bytes):
        size += len(part)
        # More is read to its end, and dropped: the rest would stand before the caller's next call.
        if size <= max_bytes:
            parts.append(part)
    # A page of another site may send what has no type; no body needs none.
    if size and given is None:
        raise _unsupported("none")
    if size > max_bytes:
        got = "more, inflated" if is_encoded(request) else str(size)
        message = f"Expected at most {max_bytes} bytes, got {got}."
        raise ProblemError(Problem("too-large", message))
    return b"".join(parts)


def _unsupported(given: str) -> ProblemError:
    message = f"Expected Content-Type {JSON}, got {given:.100}."
    return ProblemError(Problem("unsupported-media-type", message))
