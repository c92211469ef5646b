"""What came of requests: kept, counted once, and learned from."""

from __future__ import annotations

import asyncio
import logging
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

logger = logging.getLogger("service.actuals")

REPLAYED = 20_000
"""Of the last actuals, what is learned again after a restart."""
ACTUALS_A_TURN = 100
"""Actuals for which the event loop is kept from what waits, such as decisions."""

One = TypeVar("One")


@dataclass(frozen=True)
class Told:
    """What somebody told of a request.

    Attributes
    ----------
    actual
        To be kept.
    run
        When it ran on what, where that is known.
    decision_id
        Of its decision, where there was one.
    """

    actual: Actual
    run: Run | None
    decision_id: str | None


class ActualsService:
    """Takes in actuals; one for each app.

    Parameters
    ----------
    decisions
        Where the decisions were made.
    metrics
        That tell of it.
    store
        That keeps them.

    Attributes
    ----------
    calibration
        Bias of predictions, as measurements show it.
    lengths
        Of answers.
    """

    def __init__(
        self, decisions: DecisionService, metrics: DecisionMetrics, store: ActualsStore
    ) -> None:
        self._decisions, self._metrics, self._store = decisions, metrics, store
        self._turn, self._taking_up = asyncio.Lock(), asyncio.Lock()
        self._taken_up = False
        self._take_run: Callable[[str, Run], None] = lambda *_: None
        self.calibration = decisions.calibration
        self.lengths = decisions.lengths

    def on_run(self, take: Callable[[str, Run], None]) -> None:
        """Tell of each request that ran, with its pool."""
        self._take_run = take

    def idle_power(self) -> Mapping[str, tuple[int, float | None]]:
        """Return the devices of each pool, and the idle watts of one."""
        return self._decisions.idle_power()

    async def measured(self, energy_j: Mapping[ActualKey, float]) -> None:
        """Keep the metered joules of requests, by the keys of their actuals.

        Raises
        ------
        StoreError
            Where they cannot be kept: nothing was learned of them then.
        """

        def learn(some: Sequence[Actual]) -> None:
            for actual in some:
                self._learn_ratio(actual, ENERGY, actual.measured_j, actual.predicted_j)
            self._metrics.count_measured(some)

        await self.take_up()
        await self._by_turns(await self._store.measure(energy_j), learn)

    async def start(self) -> None:
        """Learn of what was known before; where that cannot be read yet, later."""
        with suppress(StoreError):
            await self.take_up()

    async def probe(self) -> None:
        """Find out whether actuals can be kept, and take up what could not be read.

        Raises
        ------
        StoreError
            Where they cannot.
        """
        await self._store.probe()
        await self.take_up()

    async def take_up(self) -> None:
        """Learn of what was known before, once, and before anything else is kept.

        Raises
        ------
        StoreError
            Where it cannot be read.
        """
        async with self._taking_up:
            if self._taken_up:
                return
            known = await self._store.recent(REPLAYED)
            await self._by_turns(known, self._learn_all)
            self._taken_up = True

    async def stop(self) -> None:
        """Write what waits, and close."""
        await self._store.stop()

    async def add(self, bodies: Sequence[ActualBody], owner: str | None = None) -> int:
        """Take in actuals; return how many were not known.

        Parameters
        ----------
        bodies
            What was told.
        owner
            By whom; None without keys.

        Raises
        ------
        ProblemError
            422 where one names an LLM in a way that no LLM is named.
        StoreError
            Where they cannot be kept: nothing was learned of them then, but their load is gone.
        """
        _check_names(bodies, self._decisions.llms)
        told: list[Told] = []
        await self._by_turns(
            bodies, lambda some: told.extend(self._end(body, owner) for body in some)
        )
        await self.take_up()
        fresh = await self._store.add([one.actual for one in told])
        self._metrics.count_actuals(len(fresh), len(told) - len(fresh))
        left = {actual.id for actual in fresh}

        def learn(some: Sequence[Told]) -> None:
            news = [one for one in some if _taken_from(left, one.actual.id)]
            for one in some:
                self._decisions.forget(one.decision_id or "")
            for one in news:
                if one.run is not None:
                    self._take_run(one.actual.pool, one.run)
                self._learn(one.actual)
            self._metrics.count_measured([one.actual for one in news])

        await self._by_turns(told, learn)
        return len(fresh)

    async def of_plan(self, plan_id: str, viewer: str | None = None) -> PlanSums:
        """Return what came of the requests of a plan, as far as actuals of it are kept.

        Those that `viewer` told and those that nobody owns; all of them where that is None.

        Raises
        ------
        StoreError
            Where they cannot be read.
        """
        return await self._store.of_plan(plan_id, viewer)

    async def _by_turns(self, items: Sequence[One], take: Callable[[Sequence[One]], None]) -> None:
        """Take in what may be much, of one call at a time, with turns for what waits between."""
        async with self._turn:
            for at in range(0, len(items), ACTUALS_A_TURN):
                if at:
                    await asyncio.sleep(0)
                take(items[at : at + ACTUALS_A_TURN])

    def _end(self, body: ActualBody, owner: str | None) -> Told:
        """Let the load of a request go, and return what was told of it."""
        if body.decision_id is not None:
            self._decisions.ended(body.decision_id, body.pool)
        return self._told(body, owner)

    def _told(self, body: ActualBody, owner: str | None) -> Told:
        now = time.time()
        terms, answers = terms_of_actual(body, self._decisions.decided(body.decision_id))
        predicted = self._decisions.predicted(
            body.llm, body.pool, terms, body.decision_id, body.concurrency
        )
        # Where the concurrency is not known, what was predicted is no prediction to be judged: it
        # may be off by more than any cost model is.
        cost, certain = predicted or (None, False)
        foretold = cost if certain else None
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
            predicted_j=None if foretold is None else foretold.energy_j,
            predicted_s=None if foretold is None else foretold.runtime_s,
            cost_model=None if foretold is None else foretold.row.cost_model,
            plan_id=body.plan_id,
            choices=answers,
            owner=owner,
        )
        if cost is None or body.runtime_seconds is None:
            return Told(actual, None, body.decision_id)
        # A clock that is ahead must not put it into intervals to come.
        ended_at = min(body.ended_at or now, now)
        run = Run(
            key=actual.key,
            begun_at=ended_at - body.runtime_seconds,
            ended_at=ended_at,
            predicted_j=cost.energy_j,
            unmetered=body.energy_joules is None,
        )
        return Told(actual, run, body.decision_id)

    def _learn_all(self, actuals: Sequence[Actual]) -> None:
        for actual in actuals:
            self._learn(actual)

    def _learn(self, actual: Actual) -> None:
        if actual.output_tokens:
            self._decisions.lengths.add(
                actual.llm, actual.route, actual.output_tokens / actual.choices
            )
        self._learn_ratio(actual, ENERGY, actual.measured_j, actual.predicted_j)
        self._learn_ratio(actual, RUNTIME, actual.measured_s, actual.predicted_s)

    def _learn_ratio(
        self, actual: Actual, quantity: str, measured: float | None, predicted: float | None
    ) -> None:
        if measured is None or predicted is None or actual.cost_model is None:
            return
        about = BiasKey(actual.llm, actual.device, actual.cost_model, quantity)
        self.calibration.add(about, measured, predicted)


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


def _taken_from(ids: set[str], one: str) -> bool:
    """Take an id out where it is in: of several actuals of one id the first was kept."""
    if one not in ids:
        return False
    ids.remove(one)
    return True
