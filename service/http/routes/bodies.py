"""Bodies of calls, read as they arrive and refused as soon as they are too large.

Large ones go to a file, where there is room. The event loop handles one chunk at a time and never
joins them. Small ones are checked, and answered, in the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from service.calls.content import MAX_INLINE_BYTES, AnonymousFile, Content
from service.calls.messages import BATCH_FILES, JSON, Job
from service.calls.validation import parse
from service.http.access.guard import caller_of
from service.http.routes.content_encoding import decoded, is_encoded
from service.http.routes.negotiation import body_type
from service.http.routes.queries import query_of
from service.problems import Problem, ProblemError
from service.workers.memory import estimated_bytes
from service.workers.pool import WorkerPool
from service.workers.queue import WorkerQueue

Kind = Literal["plan", "predict", "frontier"]
Schema = TypeVar("Schema", bound=BaseModel)

MAX_SMALL_BYTES = 1024 * 1024
"""Largest size of a small body, where nothing else is said."""
MAX_LENGTH_DIGITS = 15
"""Digits of an announced length that is worth reading as a number: a petabyte."""


@dataclass(frozen=True)
class JobReader:
    """Makes jobs for the workers of `pool`, with the limits of one call's body and requests."""

    pool: WorkerPool
    max_body_bytes: int
    max_requests: int

    async def job(
        self, kind: Kind, request: Request, accept: str = JSON, *, patient: bool = False
    ) -> Job:
        """Return the job of a request; it is `patient` where nobody waits for its answer."""
        media_type = body_type(request, BATCH_FILES if kind == "plan" else ())
        query = query_of(request, media_type) if kind == "plan" else None
        mark = b"," if query is None else b"\n"
        pool, caller = self.pool, caller_of(request)
        reader = BodyReader(pool.queue, self.max_body_bytes, mark, patient, caller.owner)
        body = await reader.read(request)
        placements = 0 if pool.description is None else pool.description.placement_count
        return Job(
            kind,
            body,
            request.url.path,
            request.state.request_id,
            media_type=media_type,
            accept=accept,
            memory_bytes=estimated_bytes(
                media_type, reader.size, reader.marks, placements, self.max_requests
            ),
            query=query,
            may_publish=caller.may_publish,
            owner=caller.owner,
        )


@dataclass
class BodyReader:
    """Reads a body into memory or a file, and counts what bounds the number of its requests.

    Attributes
    ----------
    queue
        Knows how many bytes of bodies may wait.
    max_bytes
        Largest size of a body.
    mark
        What is counted: in JSON a request takes at least two commas, in a batch file an end of
        line.
    patient
        Whether nobody waits for the answer.
    owner
        Whose body it is.
    size, marks
        Bytes and marks that were read so far.
    """

    queue: WorkerQueue
    max_bytes: int
    mark: bytes
    patient: bool
    owner: str | None
    size: int = 0
    marks: int = 0
    _small: bytes = b""
    _file: AnonymousFile | None = None

    async def read(self, request: Request) -> Content:
        """Return the body of a request, inflated where it comes compressed.

        A body is refused with 413 as soon as it is announced, or has grown, larger than it may be,
        and with 429 where the bodies that wait would have more bytes than may wait.
        """
        announced = request.headers.get("content-length", "")
        if announced.isdecimal():
            if len(announced) > MAX_LENGTH_DIGITS or int(announced) > self.max_bytes:
                raise self._too_large()
            self.queue.check_bytes(int(announced), patient=self.patient, owner=self.owner)
        async for chunk in decoded(request, self.max_bytes):
            self._add(chunk)
        return self._small if self._file is None else self._file

    def _add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.marks += chunk.count(self.mark)
        if self.size > self.max_bytes:
            raise self._too_large()
        if self._file is None and self.size <= MAX_INLINE_BYTES:
            self._small += chunk
            return
        self.queue.check_bytes(len(chunk), patient=self.patient, owner=self.owner)
        if self._file is None:
            self._file = AnonymousFile.create()
            self.queue.held.add(self._file, patient=self.patient, owner=self.owner)
            self._file.write(self._small)
        self._file.write(chunk)

    def _too_large(self) -> ProblemError:
        message = f"Expected a body of at most {self.max_bytes} bytes."
        return ProblemError(Problem("too-large", message))


async def read_small(
    request: Request, schema: type[Schema], max_bytes: int = MAX_SMALL_BYTES
) -> Schema:
    """Return the small body of a request as a checked `schema`; refuse another with 422."""
    return parse(await read_small_bytes(request, max_bytes), schema)


async def read_small_bytes(request: Request, max_bytes: int = MAX_SMALL_BYTES) -> bytes:
    """Return the small body of a request, inflated; refuse it with 400, 413 or 415."""
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
