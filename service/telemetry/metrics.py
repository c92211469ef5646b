"""Prometheus metrics of one app, in a registry of its own."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.telemetry.failures import Failures, FailuresCollector, LossesCollector, StoreFailures
from service.telemetry.labels import METRIC_PREFIX, OTHER, Labels

if TYPE_CHECKING:
    from service.calls.messages import Description, PlanTally
    from service.calls.schemas.information import StoreState

logger = logging.getLogger("service.failures")

BASELINES = ("round_robin", "query_blind_split", "greedy_least_energy", "greedy_fastest", "random")
"""Baselines that every plan has, whose savings are counted from 0 on."""
FAILURES = ("overloaded", "undecided", "worker-lost", "timed-out")
"""Refusals that are no fault of the call, counted from 0 on: a rate does not see a first count."""
ADMISSION = (
    "unauthenticated",
    "rate-limited",
    "host-not-served",
    "cross-site",
    "malformed-request",
)
"""Refusals of calls for where they come from, before their body is read."""
SECONDS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class WorkerLoad(Protocol):
    """How busy the workers are; the attributes are read whenever the metrics are."""

    running: int

    @property
    def waiting(self) -> int:
        """Calls that wait, for memory or for a worker."""

    @property
    def held_bytes(self) -> int:
        """Bytes of large bodies that no worker has yet."""

    @property
    def committed_bytes(self) -> int:
        """Estimated memory of the calls that have a worker [bytes]."""

    @property
    def memory_bytes(self) -> int:
        """Memory that these may take together [bytes]."""


class Metrics:
    """Counts plans. Labels name only what the configured fleet names; all else is `other`.

    `registry` is that of one app, and `version` that of jouleplan, for `build_info`. `labels`
    are the names that labels may carry, `reloads` what has changed on disk and cannot be used,
    and `stores` what cannot be kept on disk, and what was lost.
    """

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        self.registry = registry
        self.labels = Labels()
        self._define_calls()
        self._define_fronts()
        self._define_plans()
        self._define_cost_models()
        self._define_load()
        self._define_workers()
        self._define_async_plans()
        self.reloads = Failures(logger, "Cannot load {}, what was loaded before stays in force:")
        registry.register(FailuresCollector(self.reloads, "reload", "kind"))
        self.stores = StoreFailures(
            logger, "Cannot keep {}, what comes is refused until it can be:"
        )
        registry.register(FailuresCollector(self.stores, "store", "store"))
        registry.register(LossesCollector(self.stores))
        self._on_disk: Mapping[str, Callable[[], bool]] = {}
        self._durable = self._gauge(
            "store_durable", "1 where what is acknowledged is on disk, and can be.", "store"
        )
        build = self._gauge("build_info", "The running version; always 1.", "version")
        build.labels(version).set(1)

    def _define_calls(self) -> None:
        self._calls = self._counter("plan_requests", "Calls of /plan by outcome.", "status")
        self._duration = self._histogram("plan_duration_seconds", "Whole calls of /plan.")
        self._solve = self._histogram("plan_solve_duration_seconds", "Solving, of calls of /plan.")
        for status in ("optimal", "feasible", *FAILURES):
            self._calls.labels(status)
        self._unadmitted = self._counter(
            "unadmitted_calls",
            "Calls refused for their key, its limits, their host or origin.",
            "status",
        )
        for status in ADMISSION:
            self._unadmitted.labels(status)
        self._gap = self._gauge("plan_optimality_gap_ratio", "Relative gap of the last plan.")

    def _define_fronts(self) -> None:
        self._fronts = self._counter(
            "frontier_requests", "Calls of /plan/frontier by outcome.", "status"
        )
        self._points = self._counter("frontier_points", "Points sent by /plan/frontier.")
        self._front_duration = self._histogram(
            "frontier_duration_seconds", "Whole calls of /plan/frontier."
        )
        for status in ("complete", "cut_by_clock"):
            self._fronts.labels(status)

    def _define_plans(self) -> None:
        where = ("llm", "pool")
        self._requests = self._counter("planned_requests", "Requests planned.", *where)
        self._energy = self._counter("planned_energy_joules", "Predicted energy.", *where)
        self._runtime = self._counter("planned_runtime_seconds", "Predicted latencies.", *where)
        self._saved = self._counter(
            "plan_saved_energy_joules", "Energy below that of a baseline.", "baseline"
        )
        for baseline in BASELINES:
            self._saved.labels(baseline)
        self._extrapolated = self._counter(
            "extrapolated_requests", "Planned outside what was profiled.", "llm", "device"
        )

    def _define_cost_models(self) -> None:
        self._info = self._gauge(
            "cost_model_info", "A loaded cost model; always 1.", "llm", "device", "basis", "source"
        )
        self._loaded = self._gauge("cost_models_loaded", "Cost models that are loaded.")
        self._refused = self._gauge("cost_models_refused", "Artefacts that were refused.")

    def _define_load(self) -> None:
        self._load = {
            "running": self._gauge("calls_running", "Calls that have a worker."),
            "waiting": self._gauge("calls_waiting", "Calls that wait for memory or a worker."),
            "held_bytes": self._gauge("held_body_bytes", "Large bodies that no worker has yet."),
            "committed_bytes": self._gauge(
                "memory_committed_bytes", "Estimated memory of the calls that have a worker."
            ),
            "memory_bytes": self._gauge("memory_budget_bytes", "What they may take together."),
        }

    def _define_workers(self) -> None:
        self._workers_alive = self._gauge("workers", "Worker processes that are ready.")
        self._lost = self._counter("worker_restarts", "Worker processes that were lost.")
        self._hung = self._counter("worker_hangs", "Of these, those that lived and did nothing.")

    def set_workers(self, ready: int) -> None:
        """Set how many workers are ready."""
        self._workers_alive.set(ready)

    def follow_stores(self, on_disk: Mapping[str, Callable[[], bool]]) -> None:
        """Report from now on of each store whether what it acknowledges outlives the process."""
        self._on_disk = on_disk
        for name in on_disk:
            self._durable.labels(name).set_function(partial(self._is_durable, name))

    def _is_durable(self, name: str) -> float:
        return float(self.store_states()[name] == "disk")

    def store_states(self) -> dict[str, StoreState]:
        """Return of each store where it keeps things: on disk, in memory, or nowhere now."""
        failing = self.stores.known
        return {
            name: "failing" if failing.get(name) else "disk" if on_disk() else "memory"
            for name, on_disk in self._on_disk.items()
        }

    def count_restart(self, *, hung: bool) -> None:
        """Count a worker that was lost, and is started again; whether it had hung."""
        self._lost.inc()
        self._hung.inc(hung)

    def follow(self, load: WorkerLoad) -> None:
        """Take the figures of the workers' load whenever the metrics are read."""
        for name, gauge in self._load.items():
            gauge.set_function(partial(getattr, load, name))

    def _define_async_plans(self) -> None:
        self._under_way = self._gauge("async_plans", "Asynchronous plans under way.", "status")
        self._ended = self._counter(
            "async_plans_ended", "Asynchronous plans by how they ended.", "status"
        )
        for status in ("queued", "running"):
            self._under_way.labels(status).set(0)
        for status in ("finished", "failed", "cancelled", "interrupted"):
            self._ended.labels(status)
        self._stored = self._gauge("stored_plans", "Ended asynchronous plans that are kept.")
        self._stored_bytes = self._gauge("stored_plan_bytes", "Bytes of their answers.")

    def set_under_way(self, queued: int, running: int) -> None:
        """Set how many asynchronous plans wait and run."""
        self._under_way.labels("queued").set(queued)
        self._under_way.labels("running").set(running)

    def count_ended(self, status: str, count: int = 1) -> None:
        """Count asynchronous plans that ended with `status`."""
        self._ended.labels(status).inc(count)

    def set_stored(self, count: int, size: int) -> None:
        """Set how many plans are kept, and the bytes of their answers."""
        self._stored.set(count)
        self._stored_bytes.set(size)

    def count_call(self, outcome: str, seconds: float, tally: PlanTally | None) -> None:
        """Count one call of `/plan` that took `seconds`, and its plan where there is one."""
        self._calls.labels(outcome).inc()
        self._duration.observe(seconds)
        if tally is None:
            return
        self._solve.observe(tally.solve_s)
        if math.isfinite(tally.gap):
            self._gap.set(tally.gap)
        for baseline, saved_j in tally.saved_j.items():
            self._saved.labels(self._baseline(baseline)).inc(saved_j)
        for part in tally.placements:
            llm, pool = self.labels.llm(part.llm), self.labels.pool(part.pool)
            device = self.labels.device(part.device)
            self._requests.labels(llm, pool).inc(part.requests)
            self._energy.labels(llm, pool).inc(part.energy_j)
            self._runtime.labels(llm, pool).inc(part.runtime_s)
            self._extrapolated.labels(llm, device).inc(part.extrapolated)

    def count_unadmitted(self, slug: str) -> None:
        """Count a call that was refused before its body was read."""
        self._unadmitted.labels(slug).inc()

    def count_front(self, outcome: str, seconds: float, points: int) -> None:
        """Count one call of `/plan/frontier` that took `seconds`, and the points it sent."""
        self._fronts.labels(outcome).inc()
        self._points.inc(points)
        self._front_duration.observe(seconds)

    def _baseline(self, name: str) -> str:
        """Return the label of a baseline, whose name may end in that of an LLM."""
        policy, separator, llm = name.partition(":")
        return f"{policy}:{OTHER}" if separator and llm not in self.labels.llms else name

    def describe(self, description: Description) -> None:
        """Report what is loaded, and take over the names that labels may carry."""
        self.labels.take_over(description)
        self._loaded.set(len(description.cost_models))
        self._refused.set(len(description.refused))
        for llm, pool in description.llm_pools:
            for counter in (self._requests, self._energy, self._runtime):
                counter.labels(llm, pool)
        for row in description.rows:
            self._extrapolated.labels(row.llm, row.device)
        self._info.clear()
        for loaded in description.cost_models:
            self._info.labels(loaded.llm, loaded.device, loaded.basis, loaded.source).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{METRIC_PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{METRIC_PREFIX}_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(
            f"{METRIC_PREFIX}_{name}", text, registry=self.registry, buckets=SECONDS_BUCKETS
        )
