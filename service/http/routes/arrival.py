"""Bodies as they arrive: large ones go to a file, weighed, refused where there is no room.

The event loop handles one chunk at a time and never joins them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from service.calls.content import MAX_INLINE_BYTES, AnonymousFile, Content
from service.calls.messages import BATCH_FILES, JSON, Job
from service.http.access.guard import caller_of
from service.http.routes.batch_query import query_of
from service.http.routes.content_encoding import decoded
from service.http.routes.negotiation import body_type
from service.problems import Problem, ProblemError
from service.workers.memory import estimated_bytes
from service.workers.pool import WorkerPool

Kind = Literal["plan", "predict", "frontier"]

# Of an announced length that is worth reading as a number: a petabyte.
MAX_DIGITS = 15


@dataclass(frozen=True)
class Arrivals:
    """Makes calls for the workers of requests, when their bodies are here.

    Attributes
    ----------
    pool
        Of the workers.
    max_body_bytes, max_requests
        Of one call.
    """

    pool: WorkerPool
    max_body_bytes: int
    max_requests: int

    async def job(
        self, kind: Kind, request: Request, accept: str = JSON, *, patient: bool = False
    ) -> Job:
        """Return a call when its body is here.

        Parameters
        ----------
        kind, request
            What is asked for, and how.
        accept
            Type of the answer.
        patient
            Whether nobody waits for it.

        Raises
        ------
        ProblemError
            400, 413, 415 or 429 for the body, 422 for the query.
        """
        media_type = body_type(request, BATCH_FILES if kind == "plan" else ())
        query = query_of(request, media_type) if kind == "plan" else None
        mark = b"," if query is None else b"\n"
        pool, caller = self.pool, caller_of(request)
        arrival = Arrival(pool, self.max_body_bytes, mark, patient, caller.owner)
        body = await arrival.read(request)
        placements = 0 if pool.description is None else pool.description.placement_count
        return Job(
            kind,
            body,
            request.url.path,
            request.state.request_id,
            media_type=media_type,
            accept=accept,
            memory_bytes=estimated_bytes(
                media_type, arrival.size, arrival.marks, placements, self.max_requests
            ),
            query=query,
            may_publish=caller.may_publish,
            owner=caller.owner,
        )


@dataclass
class Arrival:
    """A body that arrives.

    Attributes
    ----------
    pool
        Where it goes; knows how many bytes may wait.
    most
        Bytes that a body may have.
    mark
        What bounds the number of requests: in JSON each takes at least two commas, in a batch file
        an end of line.
    patient
        Whether nobody waits for the answer.
    owner
        Whose it is.
    size
        Bytes so far.
    marks
        Marks so far.
    """

    pool: WorkerPool
    most: int
    mark: bytes = b","
    patient: bool = False
    owner: str | None = None
    size: int = 0
    marks: int = 0
    _small: bytes = b""
    _file: AnonymousFile | None = None

    async def read(self, request: Request) -> Content:
        """Return the body of a request.

        Raises
        ------
        ProblemError
            413 as soon as it is announced, or has grown, larger than a body may be, inflated where
            it comes compressed; 400 or 415 as of `decoded`; 429 where the bodies that wait would
            have more bytes than may wait.
        """
        announced = request.headers.get("content-length", "")
        if announced.isdecimal():
            if len(announced) > MAX_DIGITS or int(announced) > self.most:
                raise self._too_large()
            self.pool.queue.check_bytes(int(announced), patient=self.patient, owner=self.owner)
        async for chunk in decoded(request, self.most):
            self._add(chunk)
        return self._small if self._file is None else self._file

    def _add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.marks += chunk.count(self.mark)
        if self.size > self.most:
            raise self._too_large()
        if self._file is None and self.size <= MAX_INLINE_BYTES:
            self._small += chunk
            return
        self.pool.queue.check_bytes(len(chunk), patient=self.patient, owner=self.owner)
        if self._file is None:
            self._file = AnonymousFile.create()
            self.pool.queue.held.add(self._file, patient=self.patient, owner=self.owner)
            self._file.write(self._small)
        self._file.write(chunk)

    def _too_large(self) -> ProblemError:
        return ProblemError(Problem("too-large", f"Expected a body of at most {self.most} bytes."))
