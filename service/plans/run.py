"""One plan on its way, and the events that are published about it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, fields, replace
from time import perf_counter, time
from typing import Literal

import orjson

from service.calls.messages import PROGRESS, Update
from service.plans.records import PlanProgress, PlanRecord, Status
from service.workers.queue import Stage

KEPT_EVENTS = 256
"""A client that comes back within as many events misses none; a later one gets the newest."""


@dataclass(frozen=True)
class Event:
    """An event of a plan: ``progress``, or ``end``, after which nothing follows."""

    number: int
    name: Literal["progress", "end"]
    record: PlanRecord


class PlanRun:
    """A plan from its acceptance to its end.

    Attributes
    ----------
    task
        Task that makes the plan.
    accepted
        Event that is set when the plan waits for a worker or has one.
    ends_as
        Status that the plan gets when its task is cancelled.
    closing
        Whether the plan ends already, so that it can be cancelled no more.
    """

    task: asyncio.Task[None]

    def __init__(self, plan_id: str, owner: str | None = None) -> None:
        self._started = perf_counter()
        self._record = PlanRecord(plan_id, "queued", time(), owner=owner)
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._changed = asyncio.Event()
        self.accepted = asyncio.Event()
        self.ends_as: Status = "cancelled"
        self.closing = False
        self._publish("progress")

    @property
    def plan_id(self) -> str:
        """Name of the plan."""
        return self._record.plan_id

    @property
    def record(self) -> PlanRecord:
        """How the plan stands now."""
        if self._record.ended:
            return self._record
        return replace(self._record, elapsed_s=perf_counter() - self._started)

    @property
    def last_event(self) -> int:
        """Number of the newest event."""
        return self._events[-1].number

    def enter(self, stage: Stage) -> None:
        """Record that the plan waits for a worker or has one."""
        self.accepted.set()
        if stage != self._record.status:
            self._record = replace(self._record, status=stage)
            self._publish("progress")

    def on_progress(self, update: Update) -> None:
        """Record and publish the progress that the worker reports."""
        if update.kind == PROGRESS:
            found = orjson.loads(update.body)
            progress = PlanProgress(*(found[field.name] for field in fields(PlanProgress)))
            self._record = replace(self._record, progress=progress)
            self._publish("progress")

    async def end_early(self, status: Status) -> None:
        """End the plan as `status`, unless its answer is there, and wait until it has ended."""
        if not self.closing:
            self.closing = True
            self.ends_as = status
            self.task.cancel()
        await asyncio.wait({self.task})

    def last_record(self) -> PlanRecord:
        """Return how the plan stands when it ends early; its number of events counts the end."""
        return replace(self.record, status=self.ends_as, events=self.last_event + 1)

    def publish_end(self, record: PlanRecord) -> None:
        """Publish how the plan ended, its last event."""
        self._record = record
        self._publish("end")

    def events_after(self, number: int) -> list[Event]:
        """Return the events with larger numbers, as far as they are kept."""
        return [event for event in self._events if event.number > number]

    async def wait_beyond(self, number: int) -> None:
        """Wait until there is an event with a larger number."""
        while self.last_event <= number:
            await self._changed.wait()

    def _publish(self, name: Literal["progress", "end"]) -> None:
        number = self._record.events if name == "end" else self._record.events + 1
        self._record = replace(self._record, events=number)
        self._events.append(Event(number, name, self.record))
        self._changed.set()
        self._changed = asyncio.Event()
