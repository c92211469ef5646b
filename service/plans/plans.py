"""Asynchronous plans: accepted, made by the workers, followed, cancelled and kept.

::

    start -> PlanRun -> WorkerPool.submit -> reply -> PlanArchive.end -> the end is published
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from time import perf_counter
from typing import Protocol
from uuid import uuid4

from service.calls.messages import Job, Reply
from service.plans.archive import PlanArchive, plan_not_found
from service.plans.records import PlanRecord
from service.plans.run import Event, PlanRun
from service.problems import ProblemError
from service.stopping import Stopping, stopping_problem
from service.telemetry.metrics import Metrics
from service.workers.pool import WorkerPool
from service.workers.queue import Stage


class CallPermit(Protocol):
    """One of the calls that a caller may have in flight."""

    def hold(self) -> None:
        """Keep it when the call has ended."""

    def release(self) -> None:
        """Give it back."""


class AsynchronousPlans:
    """The asynchronous plans that are being made, and those that were.

    Parameters
    ----------
    archive
        Archive that keeps them.
    heartbeat_s
        Longest silence in the events of a plan [s].
    pool, metrics, stopping
        Workers, metrics and state of the service.
    """

    def __init__(
        self,
        archive: PlanArchive,
        heartbeat_s: float,
        pool: WorkerPool,
        metrics: Metrics,
        stopping: Stopping,
    ) -> None:
        self.archive, self._heartbeat_s = archive, heartbeat_s
        self._pool, self._metrics, self._stopping = pool, metrics, stopping
        self._runs: dict[str, PlanRun] = {}

    async def start(self, job: Job, owner: str | None, permit: CallPermit) -> PlanRecord:
        """Accept a plan and return how it stands.

        Parameters
        ----------
        job
            Call to be planned.
        owner
            Owner of the plan; None without keys.
        permit
            Permit of the call; it is held until the plan has ended.

        Raises
        ------
        ProblemError
            If too many calls wait (429), or plans cannot be kept or the service stops (503).
        """
        self._pool.queue.check_room(owner)
        run = PlanRun(str(uuid4()), owner)
        if not self._stopping.begun:
            await self.archive.add(run.record)
        if self._stopping.begun:
            raise ProblemError(stopping_problem())
        self._runs[run.plan_id] = run
        run.task = asyncio.create_task(self._make(run, replace(job, plan_id=run.plan_id)))
        permit.hold()
        run.task.add_done_callback(lambda _: permit.release())
        try:
            await self._until_accepted(run)
        except ProblemError:
            del self._runs[run.plan_id]
            await self.archive.remove(run.plan_id)
            raise
        return run.record

    async def find(self, plan_id: str, viewer: str | None) -> PlanRecord:
        """Return how a plan that `viewer` sees stands.

        Raises
        ------
        ProblemError
            If there is none of that name (404), or the store cannot be read (503).
        """
        run = self._run(plan_id, viewer)
        return await self.archive.find(plan_id, viewer) if run is None else run.record

    async def recent(self, limit: int, before: int | None, viewer: str | None) -> list[PlanRecord]:
        """Return at most `limit` plans that `viewer` sees, the newest first, below `before`.

        Raises
        ------
        ProblemError
            If the store cannot be read (503).
        """
        stored = await self.archive.recent(limit, before, viewer)
        runs = self._runs
        return [
            replace(runs[r.plan_id].record, number=r.number) if r.plan_id in runs else r
            for r in stored
        ]

    async def cancel_or_remove(self, plan_id: str, viewer: str | None) -> PlanRecord | None:
        """Cancel a plan that is being made, or forget one that has ended.

        Returns
        -------
        PlanRecord or None
            The plan that was being made as it ended; None where it had ended before.

        Raises
        ------
        ProblemError
            If there is none of that name (404), or the store cannot be written (503).
        """
        run = self._run(plan_id, viewer)
        if run is None:
            await self.archive.find(plan_id, viewer)
            await self.archive.remove(plan_id)
            return None
        await run.end_early("cancelled")
        return run.record

    async def events(
        self, plan_id: str, after: int | None, viewer: str | None
    ) -> AsyncIterator[Event | None] | None:
        """Return the events of a plan until its end, among them None where there was a silence.

        Parameters
        ----------
        plan_id
            Name of the plan.
        after
            Number of the last event that the client has seen; None: the newest comes first.
        viewer
            Owner whose plans the client sees.

        Returns
        -------
        AsyncIterator or None
            None where the client has seen the end already.

        Raises
        ------
        ProblemError
            If there is none of that name (404), or the store cannot be read (503).
        """
        run = self._run(plan_id, viewer)
        if run is not None:
            return self._follow(run, after)
        record = await self.archive.find(plan_id, viewer)
        return None if after == record.events else _only(Event(record.events, "end", record))

    async def _follow(self, run: PlanRun, after: int | None) -> AsyncIterator[Event | None]:
        seen = run.last_event - 1 if after is None else min(after, run.last_event)
        while True:
            for event in run.events_after(seen):
                seen = event.number
                yield event
                if event.name == "end":
                    return
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    await run.wait_beyond(seen)
            except TimeoutError:
                yield None

    def _run(self, plan_id: str, viewer: str | None) -> PlanRun | None:
        """Return the plan of that name that is being made, None where there is none.

        Raises
        ------
        ProblemError
            If `viewer` does not see it (404).
        """
        run = self._runs.get(plan_id)
        if run is not None and not run.record.seen_by(viewer):
            raise plan_not_found()
        return run

    async def interrupt(self) -> None:
        """End what is being made, as interrupted, and accept no more."""
        self._stopping.begun = True
        runs = list(self._runs.values())
        await asyncio.gather(*(run.end_early("interrupted") for run in runs))

    async def stop(self) -> None:
        """End what is being made, as interrupted, and close the store."""
        await self.interrupt()
        await self.archive.stop()

    async def _until_accepted(self, run: PlanRun) -> None:
        """Wait until the pool has taken a plan; raise what it refuses it with."""
        accepted = asyncio.create_task(run.accepted.wait())
        try:
            await asyncio.wait({accepted, run.task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            accepted.cancel()
        if run.task.cancelled():
            raise ProblemError(stopping_problem())
        if not run.accepted.is_set():
            run.task.result()

    async def _make(self, run: PlanRun, job: Job) -> None:
        def enter(stage: Stage) -> None:
            run.enter(stage)
            self._count()

        started = perf_counter()
        reply: Reply | None
        try:
            reply = await self._pool.submit(job, run.on_progress, on_stage=enter, patient=True)
        except ProblemError as error:
            if not run.accepted.is_set():
                raise
            reply = Reply.of_problem(error.problem, job.path)
        except asyncio.CancelledError:
            reply = None
        run.closing = True
        if reply is not None:
            self._metrics.count_call(reply.outcome, perf_counter() - started, reply.tally)
        await self._end(run, reply, job.path)

    async def _end(self, run: PlanRun, reply: Reply | None, path: str) -> None:
        record = await self.archive.end(run.last_record(), reply, path)
        del self._runs[run.plan_id]
        run.publish_end(record)
        self._metrics.count_ended(record.status)
        self._count()

    def _count(self) -> None:
        states = Counter(run.record.status for run in self._runs.values())
        self._metrics.set_under_way(states["queued"], states["running"])


async def _only(event: Event) -> AsyncIterator[Event | None]:
    yield event
