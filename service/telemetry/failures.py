"""What fails while the service goes on, and what stores have lost: logged once, and as metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.telemetry.labels import METRIC_PREFIX

MAX_REASON = 1000
"""Characters of a reason that are reported."""


@dataclass(frozen=True)
class Failure:
    """Since when something fails [Unix time, s], and why."""

    since: float
    reason: str


class Failures:
    """What of several things fails; one for each app, used by its event loop alone.

    Each begin, each other reason and each end is logged. `sentence` says what a failure means,
    with a place for the name.
    """

    def __init__(self, logger: logging.Logger, sentence: str) -> None:
        self._logger, self._sentence = logger, sentence
        self._known: dict[str, Failure | None] = {}

    @property
    def known(self) -> Mapping[str, Failure | None]:
        """What is registered, by name; None where it does not fail."""
        return MappingProxyType(self._known)

    def register(self, name: str) -> None:
        """Report something from now on, which does not fail until `failed` says so."""
        self._known.setdefault(name, None)

    def failed(self, name: str, reason: str) -> None:
        """Note that something fails, and log it unless that reason is known."""
        before = self._known.get(name)
        cut = reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}..."
        if before is None:
            self._known[name] = Failure(time.time(), cut)
        elif before.reason != cut:
            self._known[name] = replace(before, reason=cut)
        else:
            return
        self._logger.error("%s %s", self._sentence.format(name), cut)

    def mended(self, name: str) -> None:
        """Note that something does not fail, or no more."""
        before, self._known[name] = self._known.get(name), None
        if before is not None:
            seconds = round(time.time() - before.since, 3)
            self._logger.info("%s is mended.", name, extra={"failed_seconds": seconds})

    def found(self, name: str, reason: str | None) -> None:
        """Note that something fails for a reason, or does not where that is None."""
        if reason is None:
            self.mended(name)
        else:
            self.failed(name, reason)

    def notes(self) -> list[str]:
        """Return a sentence for each failure."""
        return [
            f"Since {shown_moment(one.since)}: {self._sentence.format(name)} {one.reason}"
            for name, one in self._known.items()
            if one is not None
        ]


class FailuresCollector(Collector):
    """Gauges of failures, whose names begin with `subject`; `label` names what fails."""

    def __init__(self, failures: Failures, subject: str, label: str) -> None:
        self._failures, self._subject, self._label = failures, subject, label

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield a gauge of what succeeds, and one of since when what fails does."""
        successful = GaugeMetricFamily(
            f"{METRIC_PREFIX}_{self._subject}_successful",
            "1 unless it fails now.",
            labels=[self._label],
        )
        since = GaugeMetricFamily(
            f"{METRIC_PREFIX}_{self._subject}_failed_since_timestamp_seconds",
            "Unix time since when it fails; 0 where it does not.",
            labels=[self._label],
        )
        for name, one in self._failures.known.items():
            successful.add_metric([name], float(one is None))
            since.add_metric([name], 0.0 if one is None else one.since)
        yield from (successful, since)


def shown_moment(unix_s: float) -> str:
    """Return a moment as the notes have it."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class StoreLoss:
    """What a store has lost since this process began.

    `at` is when it was last found [Unix time, s], 0 for never; `records` how many, where that
    is known; `reason` what happened last.
    """

    at: float = 0.0
    records: int = 0
    reason: str = ""


class StoreFailures(Failures):
    """What of several stores fails, and what was lost though each works again."""

    def __init__(self, logger: logging.Logger, sentence: str = "Cannot keep {}:") -> None:
        super().__init__(logger, sentence)
        self._lost: dict[str, StoreLoss] = {}

    @property
    def losses(self) -> Mapping[str, StoreLoss]:
        """What was lost, by the names that are registered."""
        return MappingProxyType(self._lost)

    def register(self, name: str) -> None:
        """Report a store from now on."""
        super().register(name)
        self._lost.setdefault(name, StoreLoss())

    def lost(self, name: str, records: int, reason: str) -> None:
        """Note for good that a store has lost acknowledged records; 0 where the number is unknown.

        `reason` says in a sentence what happened.
        """
        before = self._lost.get(name, StoreLoss()).records
        self._lost[name] = StoreLoss(time.time(), before + records, reason)

    def notes(self) -> list[str]:
        """Return a sentence for each failure, and one for each loss."""
        lost = [f"At {shown_moment(one.at)}: {one.reason}" for one in self._lost.values() if one.at]
        return [*super().notes(), *lost]


class LossesCollector(Collector):
    """Metrics of what stores have lost."""

    def __init__(self, failures: StoreFailures) -> None:
        self._failures = failures

    def collect(self) -> Iterator[Metric]:
        """Yield what was lost, and when."""
        records = CounterMetricFamily(
            f"{METRIC_PREFIX}_store_lost_records",
            "What was acknowledged and is lost, where its number is known.",
            labels=["store"],
        )
        moment = GaugeMetricFamily(
            f"{METRIC_PREFIX}_store_lost_timestamp_seconds",
            "Unix time when a loss was found last; 0 for never.",
            labels=["store"],
        )
        for name, one in self._failures.losses.items():
            records.add_metric([name], one.records)
            moment.add_metric([name], one.at)
        yield from (records, moment)
