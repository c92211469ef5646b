"""Bodies that are small enough to be read, checked and answered in the event loop."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from service.calls.validation import parse
from service.problems import Problem, ProblemError
from service.routes.content_encoding import decoded, is_encoded
from service.workers.messages import JSON

Schema = TypeVar("Schema", bound=BaseModel)
MOST_BYTES = 1024 * 1024


async def read_small(
    request: Request, schema: type[Schema], most_bytes: int = MOST_BYTES
) -> Schema:
    """Return the body of a request of at most so many bytes as a checked `schema`.

    Raises
    ------
    ProblemError
        400, 413, 415 or 422.
    """
    return parse(await read_small_bytes(request, most_bytes), schema)


async def read_small_bytes(request: Request, most_bytes: int = MOST_BYTES) -> bytes:
    """Return the body of a request of at most so many bytes, inflated where it came compressed.

    Raises
    ------
    ProblemError
        400, 413 or 415.
    """
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind != JSON:
        message = f"Expected {JSON}, got {kind:.100}."
        raise ProblemError(Problem("unsupported-media-type", message))
    parts, size = [], 0
    async for part in decoded(request, most_bytes):
        size += len(part)
        # More is read to its end, and dropped: the rest would stand before the caller's next call.
        if size <= most_bytes:
            parts.append(part)
    if size > most_bytes:
        got = "more, inflated" if is_encoded(request) else str(size)
        message = f"Expected at most {most_bytes} bytes, got {got}."
        raise ProblemError(Problem("too-large", message))
    return b"".join(parts)
