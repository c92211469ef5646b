"""Actuals in an SQLite file: each kept once, by its id and owner; the oldest go first.

Notes are kept beside them. Many come together, so a thread writes all that wait in one transaction,
and each is acknowledged when that is on disk.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from service.database.file_watch import rewrite
from service.database.stores import StoreError
from service.decisions.actuals import database
from service.decisions.actuals.database import ACTUALS, POLICY
from service.decisions.actuals.writing import MistakeError, Result, Work, WritingThread
from service.decisions.records import Actual, ActualKey, PlanSums
from service.telemetry.failures import StoreFailures

logger = logging.getLogger("service.actuals")

KEPT = (ACTUALS, POLICY)
"""Names, in failures, of what is kept here."""


class ActualsStore:
    """The actuals that are kept; every method raises `StoreError` where that cannot be.

    Parameters
    ----------
    path
        Path of the file; ``:memory:`` for none.
    most
        Number of actuals that are kept.
    failures
        Where failures, their end, and losses are reported.
    may_forget
        Keep actuals in memory where the file cannot be made to begin with: nobody asked for it.

    Attributes
    ----------
    policy_losses
        How often notes were lost with a damaged file: who has them in memory writes them again.
    """

    def __init__(
        self,
        path: Path,
        maximum: int,
        failures: StoreFailures | None = None,
        *,
        may_forget: bool = False,
    ) -> None:
        self._maximum = maximum
        self._thread = WritingThread(path, may_forget=may_forget)
        self._failures = failures or StoreFailures(logger)
        self.policy_losses = 0
        for name in KEPT:
            self._failures.register(name)

    @property
    def in_memory(self) -> bool:
        """Whether what is kept is gone with this process."""
        return self._thread.in_memory

    async def recent(self, limit: int) -> list[Actual]:
        """Return the last actuals, oldest first."""
        return await self._done(partial(database.recent, limit=limit))

    async def noted(self, name: str) -> str | None:
        """Return the text under a name, None for none."""
        return await self._done(partial(database.noted, name=name))

    async def probe(self) -> None:
        """Find out whether the file is as it was left, and can be written where it could not."""
        failing = any(self._failures.known[name] is not None for name in KEPT)
        self._thread.look_closer()
        await self._done(rewrite if failing else _nothing, writes=failing)

    async def add(self, actuals: Sequence[Actual]) -> list[Actual]:
        """Keep actuals, or none; return those that were not known, when they are on disk."""
        work = partial(database.insert, actuals=actuals, maximum=self._maximum)
        return await self._done(work, writes=True)

    async def measure(self, energy_j: Mapping[ActualKey, float]) -> list[Actual]:
        """Keep the metered joules of actuals that have none; return these, when on disk."""
        return await self._done(partial(database.measure, energy_j=energy_j), writes=True)

    async def of_plan(self, plan_id: str, viewer: str | None) -> PlanSums:
        """Return what came of the requests of a plan, of the actuals that `viewer` sees."""
        return await self._done(partial(database.sums, plan_id=plan_id, viewer=viewer))

    async def note(self, name: str, text: str | None) -> None:
        """Keep a text under a name in the place of what was there; None to forget it."""
        await self._done(partial(database.note, name=name, text=text), writes=True)

    async def stop(self) -> None:
        """End when what waits is written."""
        await self._thread.stop()

    async def _done(self, work: Work[Result], *, writes: bool = False) -> Result:
        """Return what comes of a work, and report whether the file can be used, and written."""
        try:
            result = await self._thread.do(work)
        except StoreError as error:
            if not isinstance(error, MistakeError):
                for name in KEPT:
                    self._failures.failed(name, str(error))
            raise
        finally:
            self._report_losses()
        if writes:
            for name in KEPT:
                self._failures.mended(name)
        return result

    def _report_losses(self) -> None:
        for loss in self._thread.take_losses():
            self._failures.lost(loss.kind, loss.lost, str(loss))
            self.policy_losses += loss.kind == POLICY


def _nothing(_: object) -> None:
    """Find out whether a transaction can be begun."""
