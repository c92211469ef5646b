"""Metrics of single decisions, what came of them, their calibration, and the policy in force."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.decisions.calibration import ENERGY, RUNTIME, BiasEstimator, BiasKey
from service.decisions.decision_service import DecisionRecord, DecisionService
from service.decisions.records import Actual
from service.telemetry.labels import METRIC_PREFIX, Labels

SECONDS_BUCKETS = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
WHERE = ("llm", "pool")
_CALLS = "Calls of /decision and /destination"
GAUGES: Mapping[str, tuple[str, Callable[[BiasEstimator], float]]] = {
    "measured_to_predicted_ratio": (
        "Geometric mean, old ones forgotten.",
        lambda bias: bias.mean,
    ),
    "correction_factor": (
        "Applied to predictions of decisions; 1 for none.",
        lambda bias: bias.factor,
    ),
    "drifted": (
        "1 where recent ratios lie far from what is applied.",
        lambda bias: float(bias.drifted),
    ),
}


class CalibrationCollector(Collector):
    """Shows how far measurements lie from predictions, for the pairs that the fleet has now."""

    def __init__(self) -> None:
        self.calibration: Iterable[tuple[BiasKey, BiasEstimator]] = ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges: of a pair that is gone none is left."""
        known = list(self.calibration)
        for name, (text, value_of) in GAUGES.items():
            for quantity in (ENERGY, RUNTIME):
                full = f"{METRIC_PREFIX}_{quantity}_{name}"
                gauge = GaugeMetricFamily(full, text, labels=("llm", "device"))
                for key, bias in known:
                    if key.quantity == quantity:
                        gauge.add_metric([key.llm, key.device], value_of(bias))
                yield gauge


class DecisionMetrics:
    """Counts decisions and actuals, in a registry, by the names that labels may carry."""

    def __init__(self, registry: CollectorRegistry, labels: Labels) -> None:
        self._registry, self._names = registry, labels
        self._decisions = self._counter("decisions", f"{_CALLS} by outcome.", "status")
        for status in ("plan", "forecast", "weights", "fallback"):
            self._decisions.labels(status)
        self._duration = Histogram(
            f"{METRIC_PREFIX}_decision_duration_seconds",
            f"{_CALLS} that were decided, from the last byte of the body to the answer.",
            registry=registry,
            buckets=SECONDS_BUCKETS,
        )
        self._decided = self._counter("decided_requests", "Requests decided.", *WHERE)
        self._decided_energy = self._counter(
            "decided_energy_joules", "Predicted energy of decisions.", *WHERE
        )
        self._decided_tokens = self._counter(
            "decided_output_tokens", "Output tokens that decisions went by.", *WHERE
        )
        self._samples: dict[tuple[str, str], tuple[Counter, Counter, Counter]] = {}
        self._calibration = CalibrationCollector()
        registry.register(self._calibration)
        self._define_policies()
        self._define_actuals()
        self._define_metering()

    def _define_policies(self) -> None:
        self._policy_age = self._gauge(
            "policy_age_seconds",
            "Since the last policy was made; 0 where there is none, or a forecast has run out.",
        )
        self._policy_expired = self._gauge(
            "policy_expired", "1 where the last policy, a plan or weights, has expired."
        )
        self._forecasts = self._counter("forecasts", "Plans of forecast traffic.", "status")
        for status in ("published", "failed"):
            self._forecasts.labels(status)

    def _define_actuals(self) -> None:
        self._actuals = self._counter("actuals", "Actuals taken in.", "status")
        for status in ("accepted", "duplicate"):
            self._actuals.labels(status)
        of_metered = "of the actuals that have joules and a prediction."
        self._of_measured = tuple(
            self._counter(name, f"{text} {of_metered}", *WHERE)
            for name, text in (
                ("measured_requests", "Requests"),
                ("measured_output_tokens", "Output tokens"),
                ("measured_energy_joules", "Measured energy"),
                ("measured_predicted_energy_joules", "Predicted energy"),
            )
        )

    def _define_metering(self) -> None:
        self._queries = self._counter("metering_queries", "Queries for joules.", "status")
        for status in ("answered", "failed"):
            self._queries.labels(status)
        self._metered = self._counter("metered_energy_joules", "Energy of the devices.", "pool")
        self._apportioned = self._counter(
            "apportioned_energy_joules", "Of that, given to requests that ran there.", "pool"
        )

    def begin(self, llm_pools: Iterable[tuple[str, str]]) -> None:
        """Start the counters of what the fleet has at 0: a rate does not see a first count."""
        counters = (
            *(self._decided, self._decided_energy, self._decided_tokens),
            *self._of_measured,
        )
        for llm, pool in llm_pools:
            for counter in counters:
                counter.labels(llm, pool)
            for counter in (self._metered, self._apportioned):
                counter.labels(pool)

    def count_decision(self, record: DecisionRecord, seconds: float) -> None:
        """Count a decision that took `seconds`."""
        cost = record.chosen.cost
        self._decisions.labels(record.policy.source).inc()
        self._duration.observe(seconds)
        requests, energy, tokens = self._decided_at(cost.row.llm, cost.row.pool)
        requests.inc()
        energy.inc(cost.energy_j)
        tokens.inc(record.tokens.output_tokens * cost.sequences)

    def count_refusal(self, slug: str) -> None:
        """Count a refused decision."""
        self._decisions.labels(slug).inc()

    def count_actuals(self, accepted: int, duplicates: int) -> None:
        """Count actuals that were taken in."""
        self._actuals.labels("accepted").inc(accepted)
        self._actuals.labels("duplicate").inc(duplicates)

    def count_measured(self, actuals: Iterable[Actual]) -> None:
        """Count what was measured of requests whose joules are known and predicted."""
        sums: dict[tuple[str, str], list[float]] = {}
        for one in actuals:
            if one.measured_j is None or one.predicted_j is None:
                continue
            so_far = sums.setdefault((one.llm, one.pool), [0.0] * 4)
            counted = 1.0, one.output_tokens or 0.0, one.measured_j, one.predicted_j
            for index, value in enumerate(counted):
                so_far[index] += value
        for (llm, pool), totals in sums.items():
            where = self._names.llm(llm), self._names.pool(pool)
            for counter, total in zip(self._of_measured, totals, strict=True):
                counter.labels(*where).inc(total)

    def count_forecast(self, status: str) -> None:
        """Count a plan of forecast traffic, by how it ended."""
        self._forecasts.labels(status).inc()

    def count_query(self, status: str) -> None:
        """Count a query for joules, by how it ended."""
        self._queries.labels(status).inc()

    def count_metered(self, pool: str, energy_j: float, apportioned_j: float) -> None:
        """Count the joules of a pool's devices, and those given to requests."""
        self._metered.labels(self._names.pool(pool)).inc(energy_j)
        self._apportioned.labels(self._names.pool(pool)).inc(apportioned_j)

    def observe(self, decisions: DecisionService) -> None:
        """Read the policy in force and the calibration whenever the metrics are read."""
        self._policy_age.set_function(decisions.policy_age_s)
        self._policy_expired.set_function(lambda: float(decisions.policy_expired()))
        self._calibration.calibration = decisions.calibration

    def _decided_at(self, llm: str, pool: str) -> tuple[Counter, Counter, Counter]:
        """Return the counters of an LLM on a pool; a look-up by label each time costs more."""
        found = self._samples.get((llm, pool))
        if found is None:
            counters = (self._decided, self._decided_energy, self._decided_tokens)
            requests, energy, tokens = (one.labels(llm, pool) for one in counters)
            found = self._samples[llm, pool] = requests, energy, tokens
        return found

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{METRIC_PREFIX}_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{METRIC_PREFIX}_{name}", text, labels, registry=self._registry)
