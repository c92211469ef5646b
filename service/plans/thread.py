"""The store as the event loop sees it: one thread does all that touches the disk.

The database is opened by the first call that needs it, so a service that is never asked for an
asynchronous plan writes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from service.calls.content import Content
from service.database.database_file import MEMORY
from service.database.stores import NoPlaceError, StoreError
from service.environment import state_file
from service.plans.database import PLANS, open_database
from service.plans.plan_store import CHUNK_BYTES, PlanStore, StoreLimits
from service.plans.records import PlanRecord
from service.telemetry.failures import StoreFailures

logger = logging.getLogger("service.store")

Result = TypeVar("Result")
FILE_NAME = "plans.sqlite3"
RETRY_AFTER_S = 10


class StoreThread:
    """The plans that are kept.

    Parameters
    ----------
    path
        Where. Where it is None and the user's own folder cannot be used (a container without one),
        plans are kept in memory, with a warning.
    limits
        How many.
    on_totals
        Told how many plans are kept, and their bytes, after each that ends or goes.
    on_interrupted
        Told how many plans were being made when the store was last left.
    failures
        Where it is told that plans cannot be kept, and that they can again.
    """

    def __init__(
        self,
        path: Path | None,
        limits: StoreLimits,
        on_totals: Callable[[int, int], None] = lambda _count, _size: None,
        on_interrupted: Callable[[int], None] = lambda _: None,
        failures: StoreFailures | None = None,
    ) -> None:
        self._failures = failures or StoreFailures(logger)
        self._failures.register(PLANS)
        self._path, self._limits = path, limits
        self._on_totals = on_totals
        self._on_interrupted = on_interrupted
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="plan-store")
        self._store: PlanStore | None = None
        self.in_memory = self._path == MEMORY

    async def add(self, record: PlanRecord) -> None:
        """Keep a plan that was accepted.

        Raises
        ------
        StoreError
            As every method here, where the store cannot be used.
        """
        await self._do(lambda store: store.add(record), writes=True)

    async def end(self, record: PlanRecord, body: Content = b"") -> None:
        """Keep how a plan ended, and its answer."""
        await self._do(lambda store: store.end(record, body), writes=True)
        await self._tell_totals()

    async def remove(self, plan_id: str) -> None:
        """Forget a plan and its answer."""
        await self._do(lambda store: store.remove(plan_id), writes=True)
        await self._tell_totals()

    async def probe(self) -> None:
        """Find out whether the file is in its place, and can be written where it could not.

        A file that nobody has asked for yet is not made.
        """
        failing = self._failures.known[PLANS] is not None
        if failing or self._store is not None:
            await self._do(lambda store: store.probe(write=failing), writes=failing)

    async def find(self, plan_id: str) -> PlanRecord | None:
        """Return a plan, None where there is none of that name."""
        return await self._do(lambda store: store.find(plan_id))

    async def recent(self, limit: int, before: int | None, viewer: str | None) -> list[PlanRecord]:
        """Return at most `limit` plans that `viewer` sees, the newest first, below `before`."""
        return await self._do(lambda store: store.recent(limit, before, viewer))

    async def is_gone(self, plan_id: str, viewer: str | None) -> bool:
        """Return whether a plan of a batch file that `viewer` saw had that name, and is gone."""
        return await self._do(lambda store: store.is_gone(plan_id, viewer))

    async def body(self, record: PlanRecord, start: int, stop: int) -> AsyncIterator[bytes]:
        """Give the bytes from `start` to `stop` of what is kept of a plan, part by part."""
        position, skipped = divmod(start, CHUNK_BYTES)
        left = stop - start
        while left > 0 and (chunk := await self._chunk(record.number, position)):
            part = chunk[skipped : skipped + left]
            yield part
            left -= len(part)
            position, skipped = position + 1, 0

    async def _chunk(self, number: int, position: int) -> bytes | None:
        return await self._do(lambda store: store.chunk(number, position))

    async def stop(self) -> None:
        """Close the database when what is being written is written."""
        store, self._store = self._store, None
        if store is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, store.close)
        self._thread.shutdown(wait=False)

    def _tell_losses(self) -> None:
        for loss in self._store.losses() if self._store is not None else ():
            self._failures.lost(loss.kind, loss.lost, str(loss))

    async def _tell_totals(self) -> None:
        self._on_totals(*await self._do(lambda store: store.totals()))

    async def _do(self, work: Callable[[PlanStore], Result], *, writes: bool = False) -> Result:
        loop = asyncio.get_running_loop()
        try:
            # What was begun is ended, though its caller may leave.
            result = await asyncio.shield(
                loop.run_in_executor(self._thread, self._with_store, loop, work)
            )
        except StoreError as error:
            self._failures.failed(PLANS, str(error))
            raise StoreError(f"{error} Plans can be made synchronously.", RETRY_AFTER_S) from error
        finally:
            self._tell_losses()
        if writes:
            self._failures.mended(PLANS)
        return result

    def _with_store(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[PlanStore], Result]
    ) -> Result:
        if self._store is None:
            self._store = self._open()
            loop.call_soon_threadsafe(self._on_interrupted, self._store.interrupted)
            loop.call_soon_threadsafe(self._on_totals, *self._store.totals())
        return work(self._store)

    def _open(self) -> PlanStore:
        if self._path is not None:
            return PlanStore(open_database(self._path), self._limits)
        try:
            return PlanStore(open_database(state_file(FILE_NAME)), self._limits)
        except (NoPlaceError, RuntimeError) as error:
            logger.warning("Plans are kept in memory only. %s", error)
            self.in_memory = True
            return PlanStore(open_database(MEMORY), self._limits)
