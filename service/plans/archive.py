"""The plans that are kept, as the service offers them, those too whose end the disk refused."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from service.calls.content import to_bytes
from service.calls.messages import Reply
from service.database.stores import StoreError
from service.plans.plan_store import StoreLimits
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

    Parameters
    ----------
    path, limits
        Of the store; see `StoreThread`.
    metrics
        Of the service.
    """

    def __init__(self, path: Path | None, limits: StoreLimits, metrics: Metrics) -> None:
        self._max_bytes = limits.size
        self._store = StoreThread(
            path,
            limits,
            metrics.set_stored,
            lambda n: metrics.count_ended("interrupted", n),
            metrics.stores,
        )
        self._unstored: OrderedDict[str, PlanRecord] = OrderedDict()

    @property
    def survives_restart(self) -> bool:
        """Whether what is kept is on a disk."""
        return not self._store.in_memory

    async def probe(self) -> None:
        """Find out whether plans can be kept again, where they could not; see `StoreError`."""
        await self._store.probe()

    async def add(self, record: PlanRecord) -> None:
        """Keep a plan that was accepted.

        Raises
        ------
        StoreError
            Here and in all that follows but `end`, where the store cannot be used.
        """
        await self._store.add(record)

    async def end(self, record: PlanRecord, reply: Reply | None, path: str) -> PlanRecord:
        """Keep how a plan ended and return that; it has failed where its answer cannot be kept.

        Parameters
        ----------
        record
            Of the plan.
        reply
            Its answer; None where it was cancelled or interrupted.
        path
            Of the call, for problems.
        """
        if reply is not None and len(reply.body) > self._max_bytes:
            detail = f"The answer has {len(reply.body)} bytes; {self._max_bytes} are kept at most."
            reply = Reply.of_problem(Problem("too-large", detail), path)
        ended = record if reply is None else answered(record, reply)
        body = reply.body if reply is not None and ended.status == "finished" else b""
        try:
            await self._store.end(ended, body)
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
            404 where there is none of that name.
        """
        found = self._unstored.get(plan_id)
        if found is None:
            found = await self._store.find(plan_id)
        if found is None or not found.seen_by(viewer):
            raise plan_not_found()
        return found

    async def recent(self, limit: int, before: int | None, viewer: str | None) -> list[PlanRecord]:
        """Return at most `limit` plans that `viewer` sees, the newest first, below `before`."""
        stored = await self._store.recent(limit, before, viewer)
        return [
            replace(self._unstored.get(record.plan_id, record), number=record.number)
            for record in stored
        ]

    async def remove(self, plan_id: str) -> None:
        """Forget a plan."""
        self._unstored.pop(plan_id, None)
        await self._store.remove(plan_id)

    async def is_gone(self, plan_id: str, viewer: str | None) -> bool:
        """Return whether a plan of a batch file that `viewer` saw had that name, and is gone."""
        return await self._store.is_gone(plan_id, viewer)

    def body(self, record: PlanRecord, start: int, stop: int) -> AsyncIterator[bytes]:
        """Give the bytes from `start` to `stop` of what is kept of a plan, part by part."""
        return self._store.body(record, start, stop)

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
