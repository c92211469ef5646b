"""What came of requests: kept, counted once, and made evidence of."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from service.actuals.evidence import ENERGY, RUNTIME
from service.actuals.store import Actual, ActualsStore
from service.decisions.desk import DecisionDesk
from service.schemas.actuals import ActualBody
from service.store.database import MEMORY, StoreError
from service.telemetry.decision_metrics import DecisionMetrics

logger = logging.getLogger("service.actuals")

REPLAYED = 20_000
"""Of the last actuals, what evidence is made of again after a restart."""


class ActualsLedger:
    """Takes in actuals; one for each app.

    Parameters
    ----------
    desk
        Where the decisions were made.
    metrics
        That tell of it.
    path, most
        Of the file, and the actuals that are kept in it.

    Attributes
    ----------
    evidence
        Ratios of measurements to predictions.
    """

    def __init__(self, desk: DecisionDesk, metrics: DecisionMetrics, path: Path, most: int) -> None:
        self._desk, self._metrics = desk, metrics
        self._store = ActualsStore(path, most)
        self.evidence = desk.evidence

    async def start(self) -> None:
        """Take up what was known before; without a usable file, in memory only."""
        try:
            known = await asyncio.to_thread(self._store.recent, REPLAYED)
        except StoreError as error:
            logger.warning("Actuals are kept in memory only. %s", error)
            self._store = ActualsStore(MEMORY, 1)
            return
        for actual in known:
            self._learn(actual)
        self._metrics.tell_evidence(self.evidence)

    async def stop(self) -> None:
        """Write what waits, and close."""
        await self._store.stop()

    async def add(self, bodies: Sequence[ActualBody]) -> int:
        """Take in actuals; return how many were not known.

        Raises
        ------
        StoreError
            Where they cannot be kept: nothing was learned of them then.
        """
        actuals = [self._actual(body) for body in bodies]
        fresh = await self._store.add(actuals)
        for body in bodies:
            if body.decision_id is not None:
                self._desk.ended(body.decision_id, body.pool)
        for actual in fresh:
            self._learn(actual)
            self._metrics.count_measured(actual)
        self._metrics.count_actuals(len(fresh), len(bodies) - len(fresh))
        self._metrics.tell_evidence(self.evidence)
        return len(fresh)

    def _actual(self, body: ActualBody) -> Actual:
        predicted = self._desk.predicted(
            body.llm, body.pool, body.input_tokens, body.output_tokens, body.decision_id
        )
        return Actual(
            id=body.id or body.decision_id or "",
            at=time.time(),
            llm=body.llm,
            pool=body.pool,
            device="" if predicted is None else predicted.row.device,
            route=body.route,
            input_tokens=body.input_tokens,
            output_tokens=body.output_tokens,
            measured_j=body.energy_joules,
            measured_s=body.runtime_seconds,
            predicted_j=None if predicted is None else predicted.energy_j,
            predicted_s=None if predicted is None else predicted.runtime_s,
        )

    def _learn(self, actual: Actual) -> None:
        if actual.output_tokens:
            self._desk.lengths.add(actual.llm, actual.route, actual.output_tokens)
        for quantity, measured, predicted in (
            (ENERGY, actual.measured_j, actual.predicted_j),
            (RUNTIME, actual.measured_s, actual.predicted_s),
        ):
            if measured is not None and predicted is not None:
                self.evidence.add(actual.llm, actual.device, quantity, measured, predicted)
