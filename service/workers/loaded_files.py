"""What the workers of a pool have loaded, and which of them are to load again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from service.calls.messages import RELOADED, Description, PlanTally
from service.workers.link import Worker, WorkerLostError, loading_job

logger = logging.getLogger("service.workers.loaded_files")


class PoolListener:
    """Ignores what happens in a pool of workers; subclasses override the events that they need."""

    def described(self, description: Description) -> None:
        """Take what a worker has loaded, when it is ready and when it has loaded again."""

    def files_read(self, failures: Mapping[str, str]) -> None:
        """Take why files that were read cannot be used, by `RELOADED`; empty where all can."""

    def planned(self, tally: PlanTally) -> None:
        """Take the sums of a plan that was made."""

    def workers_changed(self, ready: int) -> None:
        """Take how many workers are ready."""

    def worker_lost(self, *, hung: bool) -> None:
        """Take note that a worker that was ready is gone, and whether it had hung."""


class LoadedFiles:
    """The cost models and the fleet, read by one worker and adopted by the others.

    `generation` counts up when what is loaded changes; a worker of another has yet to adopt it.
    `changed` is whether the files may have changed since a worker read them, and
    `may_be_mended` whether what cannot be used may be read again, to see whether it now can.
    """

    def __init__(self, listener: PoolListener) -> None:
        self._listener = listener
        self.description: Description | None = None
        self.generation = 0
        self.changed = False
        self.may_be_mended = False

    @property
    def packed(self) -> bytes:
        """What some worker has loaded, for others; empty before."""
        return b"" if self.description is None else self.description.loaded

    def found(self, worker: Worker, description: Description) -> None:
        """Take what a worker has loaded at its start."""
        if self.description is None:
            self._listener.files_read(description.failures)
        # It may have begun before the others loaded what is newer.
        if worker.generation == self.generation:
            self._describe(description)

    async def refresh(self, worker: Worker) -> None:
        """Let a worker load what has changed, or adopt what another has loaded.

        A WorkerLostError is raised if it is lost meanwhile; it has not begun with any call.
        """
        try:
            if self.changed:
                await self._read(worker)
            elif worker.generation != self.generation:
                generation = self.generation
                await worker.exchange(loading_job("adopt", self.packed))
                worker.generation = generation
        except WorkerLostError as lost:
            raise WorkerLostError(str(lost), begun=False) from lost

    def give_up(self, reason: str) -> None:
        """Leave the files alone until they change again: workers are lost that are to load them."""
        self.changed = self.may_be_mended = False
        self._listener.files_read(dict.fromkeys(RELOADED, reason))

    async def _read(self, worker: Worker) -> None:
        self.changed = False
        try:
            reply = await worker.exchange(loading_job("reload", self.packed))
        except (WorkerLostError, asyncio.CancelledError):
            self.changed = True
            raise
        self.generation += 1
        worker.generation = self.generation
        if reply.description is not None:
            before = self.description
            self._describe(reply.description)
            self._listener.files_read(reply.description.failures)
            # What cannot be used is read again and again, which is no news.
            if before is None or _news(before) != _news(reply.description):
                count = len(reply.description.cost_models)
                logger.info("A worker has loaded again.", extra={"cost_models": count})

    def _describe(self, description: Description) -> None:
        before, self.description = self.description, description
        known = () if before is None else before.missing
        for sentence in description.missing:
            if sentence not in known:
                logger.warning("Nothing can be planned on the service's own fleet: %s", sentence)
        self.may_be_mended = bool(description.failures)
        self._listener.described(description)


def _news(description: Description) -> tuple[object, ...]:
    return description.files_seen, description.failures, description.missing
