"""Metrics of the calibration, made when they are read: a pair that is gone leaves none behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.telemetry.labels import PREFIX

if TYPE_CHECKING:
    from service.decisions.calibration import BiasEstimator, BiasKey, Calibration

QUANTITIES = ("energy", "runtime")
GAUGES: Mapping[str, tuple[str, Callable[[BiasEstimator], float]]] = {
    "measured_to_predicted_ratio": (
        "Geometric mean, old ones forgotten.",
        lambda ratios: ratios.mean,
    ),
    "correction_factor": (
        "Applied to predictions of decisions; 1 for none.",
        lambda ratios: ratios.factor,
    ),
    "drifted": (
        "1 where recent ratios lie far from what is applied.",
        lambda ratios: float(ratios.drifted),
    ),
}


class CalibrationCollector(Collector):
    """Tells how far measurements lie from predictions, for the pairs of the fleet."""

    def __init__(self) -> None:
        self._calibration: Iterable[tuple[BiasKey, BiasEstimator]] = ()

    def follow(self, calibration: Calibration) -> None:
        """Read a calibration from now on, in the event loop, where it is learned."""
        self._calibration = calibration

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Walk over the gauges."""
        known = list(self._calibration)
        for name, (text, value_of) in GAUGES.items():
            for quantity in QUANTITIES:
                full = f"{PREFIX}_{quantity}_{name}"
                gauge = GaugeMetricFamily(full, text, labels=("llm", "device"))
                for about, ratios in known:
                    if about.quantity == quantity:
                        gauge.add_metric([about.llm, about.device], value_of(ratios))
                yield gauge
