"""What came of requests: kept, counted once, and learned from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from costmodel.nearest import unknown_name
from service.calls.schemas.actuals import ActualBody
from service.calls.schemas.names import has_normal_form
from service.database.stores import StoreError
from service.decisions.actuals.apportioning import Run
from service.decisions.actuals.store import ActualsStore
from service.decisions.calibration import ENERGY, RUNTIME, BiasKey
from service.decisions.decision_service import DecisionService
from service.decisions.metrics import DecisionMetrics
from service.decisions.records import Actual, ActualKey, PlanSums
from service.decisions.token_estimate import terms_of_actual
from service.problems import FieldError, invalid, pointer

REPLAYED = 20_000
"""The last actuals, of which is learned again after a restart."""
ACTUALS_A_TURN = 100
"""Actuals of which is learned before others, such as decisions, have a turn of the event loop."""

One = TypeVar("One")


@dataclass(frozen=True)
class ReportedActual:
    """The actual that a caller reports, with its run and its decision where these are known."""

    actual: Actual
    run: Run | None
    decision_id: str | None


class ActualsService:
    """Keeps actuals and learns of them; one for each app.

    Attributes
    ----------
    calibration
        Bias of predictions.
    lengths
        Lengths of answers.
    """

    def __init__(
        self, decisions: DecisionService, metrics: DecisionMetrics, store: ActualsStore
    ) -> None:
        self._decisions, self._metrics, self._store = decisions, metrics, store
        self._turn, self._restoring = asyncio.Lock(), asyncio.Lock()
        self._restored = False
        self._on_run: Callable[[str, Run], None] = lambda *_: None
        self.calibration = decisions.calibration
        self.lengths = decisions.lengths

    def on_run(self, notify: Callable[[str, Run], None]) -> None:
        """Notify of each request that ran from now on, with its pool."""
        self._on_run = notify

    def idle_power(self) -> Mapping[str, tuple[int, float | None]]:
        """Return the devices of each pool, and the idle watts of one."""
        return self._decisions.placements.idle_power()

    async def measured(self, energy_j: Mapping[ActualKey, float]) -> None:
        """Keep the metered joules of requests, by the keys of their actuals.

        Raises
        ------
        StoreError
            If they cannot be kept: nothing was learned of them then.
        """

        def learn(some: Sequence[Actual]) -> None:
            for actual in some:
                self._learn_ratio(actual, ENERGY, actual.measured_j, actual.predicted_j)
            self._metrics.count_measured(some)

        await self.restore()
        await self._by_turns(await self._store.measure(energy_j), learn)

    async def start(self) -> None:
        """Learn of the actuals of before; where they cannot be read yet, later."""
        with suppress(StoreError):
            await self.restore()

    async def probe(self) -> None:
        """Find out whether actuals can be kept, and learn of those that could not be read.

        Raises
        ------
        StoreError
            If they cannot be kept.
        """
        await self._store.probe()
        await self.restore()

    async def restore(self) -> None:
        """Learn of the actuals of before, once, and before anything else is kept.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        async with self._restoring:
            if self._restored:
                return
            known = await self._store.recent(REPLAYED)
            await self._by_turns(known, self._learn_all)
            self._restored = True

    async def stop(self) -> None:
        """Write what waits, and close."""
        await self._store.stop()

    async def add(self, bodies: Sequence[ActualBody], owner: str | None = None) -> int:
        """Keep what an owner reports, None without keys; return how many were not known.

        Raises
        ------
        ProblemError
            If one names an LLM in a way that no LLM is named (422).
        StoreError
            If they cannot be kept: nothing was learned of them then, but their load is gone.
        """
        _check_names(bodies, self._decisions.placements.llms)
        reported: list[ReportedActual] = []
        await self._by_turns(
            bodies, lambda some: reported.extend(self._end(body, owner) for body in some)
        )
        await self.restore()
        fresh = await self._store.add([one.actual for one in reported])
        self._metrics.count_actuals(len(fresh), len(reported) - len(fresh))
        left = {actual.id for actual in fresh}

        def learn(some: Sequence[ReportedActual]) -> None:
            news = []
            for one in some:
                self._decisions.forget(one.decision_id or "")
                if one.actual.id in left:
                    # Of several of one id the first was kept.
                    left.remove(one.actual.id)
                    news.append(one.actual)
                    if one.run is not None:
                        self._on_run(one.actual.pool, one.run)
                    self._learn(one.actual)
            self._metrics.count_measured(news)

        await self._by_turns(reported, learn)
        return len(fresh)

    async def of_plan(self, plan_id: str, viewer: str | None = None) -> PlanSums:
        """Return what came of the requests of a plan, as far as actuals of it are kept.

        They are those of `viewer` and those of nobody; all of them where that is None.

        Raises
        ------
        StoreError
            If they cannot be read.
        """
        return await self._store.of_plan(plan_id, viewer)

    async def _by_turns(self, items: Sequence[One], take: Callable[[Sequence[One]], None]) -> None:
        """Take the items of one call at a time, in parts with a turn of the event loop between."""
        async with self._turn:
            for at in range(0, len(items), ACTUALS_A_TURN):
                # Before the first too: the call before may have had this turn for its last part.
                await asyncio.sleep(0)
                take(items[at : at + ACTUALS_A_TURN])

    def _end(self, body: ActualBody, owner: str | None) -> ReportedActual:
        """Take the load of a request away, and return what is reported of it."""
        if body.decision_id is not None:
            self._decisions.ended(body.decision_id, body.pool)
        now = time.time()
        terms, choices = terms_of_actual(body, self._decisions.decided(body.decision_id))
        predicted = self._decisions.predicted(
            body.llm, body.pool, terms, body.decision_id, body.concurrency
        )
        # Where the concurrency is not known, what was predicted is no prediction to be judged: it
        # may be off by more than any cost model is.
        cost, certain = predicted or (None, False)
        judged = cost if certain else None
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
            predicted_j=None if judged is None else judged.energy_j,
            predicted_s=None if judged is None else judged.runtime_s,
            cost_model=None if judged is None else judged.row.cost_model,
            plan_id=body.plan_id,
            choices=choices,
            owner=owner,
        )
        if cost is None or body.runtime_seconds is None:
            return ReportedActual(actual, None, body.decision_id)
        # A clock that is ahead must not put it into intervals to come.
        ended_at = min(body.ended_at or now, now)
        run = Run(
            key=actual.key,
            begun_at=ended_at - body.runtime_seconds,
            ended_at=ended_at,
            predicted_j=cost.energy_j,
            unmetered=body.energy_joules is None,
        )
        return ReportedActual(actual, run, body.decision_id)

    def _learn_all(self, actuals: Sequence[Actual]) -> None:
        for actual in actuals:
            self._learn(actual)

    def _learn(self, actual: Actual) -> None:
        if actual.output_tokens:
            self.lengths.add(actual.llm, actual.route, actual.output_tokens / actual.choices)
        self._learn_ratio(actual, ENERGY, actual.measured_j, actual.predicted_j)
        self._learn_ratio(actual, RUNTIME, actual.measured_s, actual.predicted_s)

    def _learn_ratio(
        self, actual: Actual, quantity: str, measured: float | None, predicted: float | None
    ) -> None:
        if measured is None or predicted is None or actual.cost_model is None:
            return
        key = BiasKey(actual.llm, actual.device, actual.cost_model, quantity)
        self.calibration.add(key, measured, predicted)


def _check_names(bodies: Sequence[ActualBody], llms: Sequence[str]) -> None:
    errors = [
        FieldError(
            pointer("actuals", index, "llm"),
            unknown_name(body.llm, llms, "one of the fleet's llms"),
        )
        for index, body in enumerate(bodies)
        if body.llm not in llms and not has_normal_form(body.llm)
    ]
    if errors:
        raise invalid(errors)
