"""One thread that does all that touches the database of plans.

The database is opened by the first call that needs it, so a service that is never asked for an
asynchronous plan writes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from service.database.database_file import IN_MEMORY
from service.database.stores import NoPlaceError, StoreError
from service.environment import state_file
from service.plans.database import PLANS, open_database
from service.plans.plan_store import PlanStore, StoreLimits
from service.telemetry.metrics import Metrics

logger = logging.getLogger("service.store")

Result = TypeVar("Result")
FILE_NAME = "plans.sqlite3"
RETRY_AFTER_S = 10


class StoreThread:
    """The store of plans as the event loop sees it.

    Parameters
    ----------
    path
        Path of the database. Where it is None and the user's own folder cannot be used (a container
        without one), plans are kept in memory, with a warning.
    limits
        Which plans are kept.
    metrics
        Counts the plans that are kept, those that a restart interrupted, and what fails.
    """

    def __init__(self, path: Path | None, limits: StoreLimits, metrics: Metrics) -> None:
        self._path, self._limits, self._metrics = path, limits, metrics
        self._failures = metrics.stores
        self._failures.register(PLANS)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="plan-store")
        self._store: PlanStore | None = None
        self.in_memory = self._path == IN_MEMORY

    async def do(self, work: Callable[[PlanStore], Result], *, writes: bool = False) -> Result:
        """Return what a piece of work on the store returns.

        Raises
        ------
        StoreError
            If the store cannot be used.
        """
        loop = asyncio.get_running_loop()
        try:
            # What was begun is ended, though its caller may leave.
            result = await asyncio.shield(
                loop.run_in_executor(self._thread, self._with_store, loop, work, writes)
            )
        except StoreError as error:
            self._failures.failed(PLANS, str(error))
            raise StoreError(f"{error} Plans can be made synchronously.", RETRY_AFTER_S) from error
        finally:
            for loss in self._store.losses() if self._store is not None else ():
                self._failures.lost(loss.kind, loss.lost, str(loss))
        if writes:
            self._failures.mended(PLANS)
        return result

    async def probe(self) -> None:
        """Find out whether the file is in its place, and can be written where it could not.

        A file that nobody has asked for yet is not made.
        """
        failing = self._failures.known[PLANS] is not None
        if failing or self._store is not None:
            await self.do(lambda store: store.probe(write=failing), writes=failing)

    async def stop(self) -> None:
        """Close the database when what is being written is written."""
        store, self._store = self._store, None
        if store is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, store.close)
        self._thread.shutdown(wait=False)

    def _with_store(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[PlanStore], Result], writes: bool
    ) -> Result:
        opened = self._store is None
        store = self._store = self._store or self._open()
        if opened:
            loop.call_soon_threadsafe(self._metrics.count_ended, "interrupted", store.interrupted)
            loop.call_soon_threadsafe(self._metrics.set_stored, *store.totals())
        result = work(store)
        if writes:
            loop.call_soon_threadsafe(self._metrics.set_stored, *store.totals())
        return result

    def _open(self) -> PlanStore:
        if self._path is not None:
            return PlanStore(open_database(self._path), self._limits)
        try:
            return PlanStore(open_database(state_file(FILE_NAME)), self._limits)
        except (NoPlaceError, RuntimeError) as error:
            logger.warning("Plans are kept in memory only. %s", error)
            self.in_memory = True
            return PlanStore(open_database(IN_MEMORY), self._limits)
