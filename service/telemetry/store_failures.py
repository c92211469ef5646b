"""What stores cannot keep, and what they have lost for good."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.telemetry.failures import Failures, shown_moment
from service.telemetry.labels import PREFIX


@dataclass(frozen=True)
class StoreLoss:
    """What a store has lost since this process began.

    Attributes
    ----------
    at
        When it was last found [Unix time, s]; 0 for never.
    records
        How many, where that is known.
    reason
        What happened last.
    """

    at: float = 0.0
    records: int = 0
    reason: str = ""


class StoreFailures(Failures):
    """What of several stores fails, and what was lost though each works again."""

    def __init__(
        self,
        logger: logging.Logger,
        sentence: str = "Cannot keep {}:",
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(logger, sentence, wall_clock)
        self._lost: dict[str, StoreLoss] = {}

    @property
    def losses(self) -> Mapping[str, StoreLoss]:
        """What was lost, by the names that are watched."""
        return MappingProxyType(self._lost)

    def register(self, name: str) -> None:
        """Tell of a store from now on."""
        super().register(name)
        self._lost.setdefault(name, StoreLoss())

    def lost(self, name: str, records: int, reason: str) -> None:
        """Note that a store has lost what was acknowledged; it stays noted.

        Parameters
        ----------
        name
            Of the store.
        records
            How many; 0 where that is not known.
        reason
            What happened, in a sentence.
        """
        before = self._lost.get(name, StoreLoss()).records
        self._lost[name] = StoreLoss(self._wall_clock(), before + records, reason)

    def notes(self) -> list[str]:
        """Return a sentence for each failure, and one for each loss."""
        lost = [f"At {shown_moment(one.at)}: {one.reason}" for one in self._lost.values() if one.at]
        return [*super().notes(), *lost]


class LossesCollector(Collector):
    """Tells of losses when metrics are read."""

    def __init__(self, failures: StoreFailures) -> None:
        self._failures = failures

    def collect(self) -> Iterator[Metric]:
        """Give what was lost, and when."""
        records = CounterMetricFamily(
            f"{PREFIX}_store_lost_records",
            "What was acknowledged and is lost, where its number is known.",
            labels=["store"],
        )
        moment = GaugeMetricFamily(
            f"{PREFIX}_store_lost_timestamp_seconds",
            "Unix time when a loss was found last; 0 for never.",
            labels=["store"],
        )
        for name, one in self._failures.losses.items():
            records.add_metric([name], one.records)
            moment.add_metric([name], one.at)
        yield from (records, moment)
