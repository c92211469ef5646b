"""A thread that does what touches the file of actuals: all that waits in one transaction."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from service.database.advisory_lock import AdvisoryLock
from service.database.contents import Loss
from service.database.database_file import IN_MEMORY, DatabaseFile
from service.database.stores import NoPlaceError, StoreError
from service.decisions.actuals.database import CONTENTS

logger = logging.getLogger("service.actuals")

SETTING = "JOULEPLAN_ACTUALS_PATH"
BUSY_S = 2.0
"""Longest wait for another process that writes."""
MAX_TOGETHER = 1000

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]
"""Reads or writes within a transaction."""
Waiting = tuple[Work[Any], Future[Any]]


class MistakeError(StoreError):
    """What was to be kept cannot be, whatever the file is like."""


class WritingThread:
    """Works on a file of actuals; see `service.decisions.actuals.store.ActualsStore`."""

    def __init__(self, path: Path, *, may_forget: bool) -> None:
        self._may_forget = may_forget
        self._file = DatabaseFile(path, CONTENTS, timeout_s=BUSY_S)
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="actuals-store", daemon=True)
        self._lock_file = AdvisoryLock(path, SETTING)
        self._begun = self._closer = self._claimed = False

    @property
    def in_memory(self) -> bool:
        """Whether what is kept is gone with this process."""
        return self._file.path == IN_MEMORY

    async def do(self, work: Work[Result]) -> Result:
        """Return what comes of a work when it is on disk.

        Raises
        ------
        StoreError
            If the file cannot be used: nothing is kept then.
        """
        if not self._begun:
            self._thread.start()
            self._begun = True
        future: Future[Result] = Future()
        self._waiting.put((work, future))
        # What was begun is ended, though its caller may leave.
        return await asyncio.shield(asyncio.wrap_future(future))

    def look_closer(self) -> None:
        """Look closely at the file before the next work is done."""
        self._closer = True

    def take_losses(self) -> list[Loss]:
        """Return what was lost since the last call."""
        return self._file.take_losses()

    async def stop(self) -> None:
        """End when what waits is done."""
        if self._begun:
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            together, last = [first], False
            while len(together) < MAX_TOGETHER and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    last = True
                    break
                together.append(following)
            try:
                results = self._write(together)
            except Exception as error:  # whatever it is: who waits must get it
                self._file.failed(error)
                for _, future in together:
                    future.set_exception(_refusal(error))
            else:
                for (_, future), result in zip(together, results, strict=True):
                    future.set_result(result)
            if last:
                break
        self._file.close()
        self._lock_file.release()

    def _write(self, together: Sequence[Waiting]) -> list[Any]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        results = [work(connection) for work, _ in together]
        connection.execute("COMMIT")
        self._file.written()
        return results

    def _connection(self) -> sqlite3.Connection:
        closer, self._closer = self._closer, False
        try:
            if closer:
                self._file.check()
            connection = self._file.connection()
        except NoPlaceError as error:
            if not self._may_forget:
                raise
            logger.warning("Actuals are kept in memory only. %s", error)
            self._file = DatabaseFile(IN_MEMORY, CONTENTS, timeout_s=BUSY_S)
            connection = self._file.connection()
        self._may_forget = False
        if not self.in_memory and (closer or not self._claimed):
            self._claimed = True
            self._lock_file.acquire()
        return connection


def _refusal(error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return error
    kind = StoreError if isinstance(error, sqlite3.Error | OSError) else MistakeError
    return kind(f"Actuals cannot be kept now: {error}.")
