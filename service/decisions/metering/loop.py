"""Asks for joules every so often, and gives them to the requests that ran."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from time import time
from typing import TYPE_CHECKING

from service.database.stores import StoreError
from service.decisions.actuals.actuals_service import ActualsService
from service.decisions.actuals.apportioning import Apportioner, PoolPower
from service.decisions.metering import MeteringError, Reading
from service.decisions.metrics import DecisionMetrics
from service.decisions.records import ActualKey
from service.periodic import run_periodically
from service.settings.decisions import DecisionSettings

if TYPE_CHECKING:
    from service.decisions.metering.prometheus import JouleCounters

logger = logging.getLogger("service.metering")

REQUESTS_A_TURN = 500
"""Requests whose joules are kept and learned of before others have a turn."""


class Metering:
    """Meters the joules of the fleet's pools, for the actuals of the requests that ran there."""

    def __init__(
        self, settings: DecisionSettings, actuals: ActualsService, metrics: DecisionMetrics
    ) -> None:
        self._settings, self._actuals, self._metrics = settings, actuals, metrics
        self._apportioner = Apportioner()
        self._last: dict[str, Reading] = {}
        self._failing = False

    async def run(self) -> None:
        """Meter every period, until cancelled; return at once where nothing is to be metered."""
        url, query = self._settings.metering_url, self._settings.metering_query
        if url is None or query is None:
            return
        # Its HTTP client loads much that a service that meters nothing can do without.
        from service.decisions.metering.prometheus import JouleCounters  # noqa: PLC0415

        try:
            counters = JouleCounters(url, query, self._settings.metering_label)
        except MeteringError as error:
            logger.warning("Joules cannot be read. %s", error)
            return
        # Not before: runs would pile up for nobody.
        self._actuals.on_run(self._apportioner.add_run)
        try:
            await run_periodically(self._settings.metering_seconds, partial(self._ask, counters))
        finally:
            await counters.close()

    async def _ask(self, counters: JouleCounters) -> None:
        try:
            readings = await counters.read()
        except MeteringError as error:
            self._metrics.count_query("failed")
            if not self._failing:
                logger.warning("Joules cannot be read. %s", error)
            self._failing = True
            return
        self._failing = False
        self._metrics.count_query("answered")
        for pool, reading in readings.items():
            before = self._last.get(pool)
            taken_j = None if before is None else reading.since(before)
            if before is not None and taken_j is not None:
                self._apportioner.add_interval(pool, before.at, reading.at, taken_j)
            self._last[pool] = reading
        await self._settle()

    async def _settle(self) -> None:
        power = {
            pool: PoolPower(devices, idle_watts)
            for pool, (devices, idle_watts) in self._actuals.idle_power().items()
        }
        until = time() - self._settings.metering_delay_seconds
        settled = await self._apportioner.settle(until, power)
        for pool, energy_j in settled.metered_j.items():
            self._metrics.count_metered(pool, energy_j, settled.apportioned_j[pool])
        try:
            for some in _parts(settled.energy_j):
                await self._actuals.measured(some)
        except StoreError as error:
            logger.warning("Metered joules of requests are lost. %s", error)


def _parts(energy_j: Mapping[ActualKey, float]) -> Iterator[Mapping[ActualKey, float]]:
    """Yield the joules of many requests in parts that are learned of without a pause."""
    items = iter(energy_j.items())
    while part := dict(islice(items, REQUESTS_A_TURN)):
        yield part
