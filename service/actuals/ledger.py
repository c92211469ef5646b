"""What came of requests: kept, counted once, and made evidence of."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from service.actuals.evidence import ENERGY, RUNTIME
from service.actuals.store import Actual, ActualsStore
from service.decisions.desk import DecisionDesk
from service.decisions.policy import Policy, policy_from
from service.metering.apportioning import Run
from service.schemas.actuals import ActualBody
from service.store.database import MEMORY, StoreError
from service.telemetry.decision_metrics import DecisionMetrics

logger = logging.getLogger("service.actuals")

POLICY = "policy"
"""Name of the note that has the policy in force."""
REPLAYED = 20_000
"""Of the last actuals, what evidence is made of again after a restart."""


class ActualsLedger:
    """Takes in actuals, and keeps the policy in force beside them; one for each app.

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
    lengths
        Of answers.
    """

    def __init__(self, desk: DecisionDesk, metrics: DecisionMetrics, path: Path, most: int) -> None:
        self._desk, self._metrics = desk, metrics
        self._store, self._most = ActualsStore(path, most), most
        self._keeping: set[asyncio.Task[None]] = set()
        self._take_run: Callable[[str, Run], None] = lambda *_: None
        self.evidence = desk.evidence
        self.lengths = desk.lengths

    def follow_runs(self, take: Callable[[str, Run], None]) -> None:
        """Tell of each request that ran, with its pool."""
        self._take_run = take

    def idle_power(self) -> Mapping[str, tuple[int, float | None]]:
        """Return the devices of each pool, and the idle watts of one."""
        return self._desk.idle_power()

    async def measured(self, energy_j: Mapping[str, float]) -> None:
        """Keep the metered joules of requests, by the ids of their actuals.

        Raises
        ------
        StoreError
            Where they cannot be kept: nothing was learned of them then.
        """
        for actual in await self._store.measure(energy_j):
            self._learn_ratio(actual, ENERGY, actual.measured_j, actual.predicted_j)
            self._metrics.count_measured(actual)
        self._metrics.tell_evidence(self.evidence)

    async def start(self) -> None:
        """Take up what was known before; without a usable file, in memory only."""
        try:
            known, notes = await asyncio.to_thread(self._store.recent, REPLAYED)
        except StoreError as error:
            logger.warning("Actuals are kept in memory only. %s", error)
            self._store = ActualsStore(MEMORY, self._most)
            return
        for actual in known:
            self._learn(actual)
        self._metrics.tell_evidence(self.evidence)
        if POLICY in notes:
            self._take_up_policy(notes[POLICY])
        self._desk.follow_policy(self._keep_policy)

    async def stop(self) -> None:
        """Write what waits, and close."""
        self._desk.follow_policy(lambda _: None)
        await asyncio.gather(*self._keeping)
        await self._store.stop()

    async def add(self, bodies: Sequence[ActualBody]) -> int:
        """Take in actuals; return how many were not known.

        Raises
        ------
        StoreError
            Where they cannot be kept: nothing was learned of them then.
        """
        runs = [self._run(body) for body in bodies]
        actuals = [actual for actual, _ in runs]
        fresh = await self._store.add(actuals)
        new = {actual.id for actual in fresh}
        for actual, run in runs:
            if actual.id in new:
                new.remove(actual.id)
                if run is not None:
                    self._take_run(actual.pool, run)
        for body in bodies:
            if body.decision_id is not None:
                self._desk.ended(body.decision_id, body.pool)
        for actual in fresh:
            self._learn(actual)
            self._metrics.count_measured(actual)
        self._metrics.count_actuals(len(fresh), len(bodies) - len(fresh))
        self._metrics.tell_evidence(self.evidence)
        return len(fresh)

    def _take_up_policy(self, text: str) -> None:
        try:
            self._desk.publish(policy_from(text))
        except (ValueError, TypeError) as error:
            logger.warning("The policy of before cannot be read. %s", error)

    def _keep_policy(self, policy: Policy | None) -> None:
        task = asyncio.ensure_future(self._note(None if policy is None else policy.text()))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _note(self, text: str | None) -> None:
        try:
            await self._store.note(POLICY, text)
        except StoreError as error:
            logger.warning("The policy in force would not survive a restart. %s", error)

    def _run(self, body: ActualBody) -> tuple[Actual, Run | None]:
        """Return what came of a request, and when it ran on what, where that is known."""
        now = time.time()
        cost = self._desk.predicted(
            body.llm, body.pool, body.input_tokens, body.output_tokens, body.decision_id
        )
        actual = Actual(
            id=body.id or body.decision_id or "",
            at=now,
            llm=body.llm,
            pool=body.pool,
            device="" if cost is None else cost.row.device,
            route=body.route,
            input_tokens=body.input_tokens,
            output_tokens=body.output_tokens,
            measured_j=body.energy_joules,
            measured_s=body.runtime_seconds,
            predicted_j=None if cost is None else cost.energy_j,
            predicted_s=None if cost is None else cost.runtime_s,
        )
        if cost is None or body.runtime_seconds is None:
            return actual, None
        # A clock that is ahead must not put it into intervals to come.
        ended_at = min(body.ended_at or now, now)
        run = Run(
            id=actual.id,
            begun_at=ended_at - body.runtime_seconds,
            ended_at=ended_at,
            predicted_j=cost.energy_j,
            wanted=body.energy_joules is None,
        )
        return actual, run

    def _learn(self, actual: Actual) -> None:
        if actual.output_tokens:
            self._desk.lengths.add(actual.llm, actual.route, actual.output_tokens)
        self._learn_ratio(actual, ENERGY, actual.measured_j, actual.predicted_j)
        self._learn_ratio(actual, RUNTIME, actual.measured_s, actual.predicted_s)

    def _learn_ratio(
        self, actual: Actual, quantity: str, measured: float | None, predicted: float | None
    ) -> None:
        if measured is not None and predicted is not None:
            self.evidence.add(actual.llm, actual.device, quantity, measured, predicted)
