"""The plans that are kept, as the service offers them, those too whose end the disk refused."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from time import time

from service.calls.content import to_bytes
from service.calls.messages import Reply
from service.database.stores import StoreError
from service.plans.plan_store import CHUNK_BYTES, StoreLimits
from service.plans.records import PlanRecord, ReplyHead
from service.plans.thread import StoreThread
from service.problems import Problem, ProblemError
from service.telemetry.metrics import Metrics

logger = logging.getLogger("service.background")

MAX_UNSTORED = 100
"""Ends that the store refused are remembered in memory, the newest ones."""
PLAN_NOT_FOUND = "plan-not-found"


class PlanArchive:
    """Plans by name, on disk or, where that is refused, at least how they ended.

    Its parameters are those of `StoreThread`. All that it does but `end` raises `StoreError` where
    the store cannot be used.
    """

    def __init__(self, path: Path | None, limits: StoreLimits, metrics: Metrics) -> None:
        self._max_bytes = limits.size
        self._store = StoreThread(path, limits, metrics)
        self._unstored: OrderedDict[str, PlanRecord] = OrderedDict()

    @property
    def survives_restart(self) -> bool:
        """Whether what is kept is on a disk."""
        return not self._store.in_memory

    async def probe(self) -> None:
        """Find out whether plans can be kept again, where they could not."""
        await self._store.probe()

    async def add(self, record: PlanRecord) -> None:
        """Keep a plan that was accepted."""
        await self._store.do(lambda store: store.add(record), writes=True)

    async def add_ended(
        self, reply: Reply, elapsed_s: float, path: str, owner: str | None
    ) -> PlanRecord:
        """Keep a plan that its caller waited for, with the shards of a batch file.

        Parameters
        ----------
        reply
            Answer with the shards.
        elapsed_s
            Seconds that the plan took.
        path
            Path of the call, for problems.
        owner
            Owner of the plan.
        """
        begun_at = time() - elapsed_s
        record = PlanRecord(reply.plan_id, "running", begun_at, elapsed_s, events=1, owner=owner)
        await self.add(record)
        return await self.end(record, reply, path)

    async def end(self, record: PlanRecord, reply: Reply | None, path: str) -> PlanRecord:
        """Keep how a plan ended and return that; it has failed where its answer cannot be kept.

        There is no reply where it was cancelled or interrupted.
        """
        if reply is not None and len(reply.body) > self._max_bytes:
            detail = f"The answer has {len(reply.body)} bytes; {self._max_bytes} are kept at most."
            reply = Reply.of_problem(Problem("too-large", detail), path)
        ended = record if reply is None else answered(record, reply)
        body = reply.body if reply is not None and ended.status == "finished" else b""
        try:
            await self._store.do(lambda store: store.end(ended, body), writes=True)
        except StoreError as error:
            logger.exception("The end of a plan could not be kept.")
            if reply is not None:
                ended = answered(record, Reply.of_problem(error.problem, path))
            self._unstored[ended.plan_id] = ended
            if len(self._unstored) > MAX_UNSTORED:
                self._unstored.popitem(last=False)
        return ended

    async def find(self, plan_id: str, viewer: str | None) -> PlanRecord:
        """Return a plan that `viewer` sees.

        Raises
        ------
        ProblemError
            If there is none of that name (404).
        """
        found = self._unstored.get(plan_id)
        if found is None:
            found = await self._store.do(lambda store: store.find(plan_id))
        if found is None or not found.seen_by(viewer):
            raise plan_not_found()
        return found

    async def recent(self, limit: int, before: int | None, viewer: str | None) -> list[PlanRecord]:
        """Return at most `limit` plans that `viewer` sees, the newest first, below `before`."""
        stored = await self._store.do(lambda store: store.recent(limit, before, viewer))
        return [
            replace(self._unstored.get(record.plan_id, record), number=record.number)
            for record in stored
        ]

    async def remove(self, plan_id: str) -> None:
        """Forget a plan."""
        self._unstored.pop(plan_id, None)
        await self._store.do(lambda store: store.remove(plan_id), writes=True)

    async def is_gone(self, plan_id: str, viewer: str | None) -> bool:
        """Return whether a plan of a batch file that `viewer` saw had that name, and is gone."""
        return await self._store.do(lambda store: store.is_gone(plan_id, viewer))

    async def body(self, record: PlanRecord, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` to `stop` of what is kept of a plan, chunk by chunk."""
        position, skipped = divmod(start, CHUNK_BYTES)
        left = stop - start
        while left > 0 and (chunk := await self._chunk(record.number, position)):
            piece = chunk[skipped : skipped + left]
            yield piece
            left -= len(piece)
            position, skipped = position + 1, 0

    async def _chunk(self, number: int, position: int) -> bytes | None:
        return await self._store.do(lambda store: store.chunk(number, position))

    async def stop(self) -> None:
        """Close the store."""
        await self._store.stop()


def answered(record: PlanRecord, reply: Reply) -> PlanRecord:
    """Return a plan with its answer: finished where that is a plan, else failed."""
    head = ReplyHead(
        reply.status, reply.media_type, dict(reply.headers), len(reply.body), reply.shards
    )
    if reply.status == 200:
        return replace(record, status="finished", head=head)
    return replace(record, status="failed", head=head, problem=to_bytes(reply.body))


def plan_not_found() -> ProblemError:
    """Return the refusal of a name that no plan has, or none that the caller may know of."""
    return ProblemError(Problem(PLAN_NOT_FOUND, "No plan of that name is kept."))
