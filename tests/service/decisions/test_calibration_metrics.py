"""Gauges of the calibration are those of the fleet's pairs, and go when these do."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import CollectorRegistry

from service.calls.placement_row import PlacementRow
from service.decisions.calibration import RUNTIME, BiasKey
from service.decisions.decision_service import DecisionService
from service.decisions.metrics import DecisionMetrics
from service.telemetry.labels import Labels

ROW = PlacementRow(
    index=0,
    llm="a",
    pool="p",
    device="1xh100",
    concurrency=1,
    devices=1,
    quality=None,
    max_context_tokens=None,
    energy=(("tout", 1.0),),
    seconds=(("tout", 0.01),),
    energy_quantile=None,
    seconds_quantile=None,
    cost_model="first",
)
ELSEWHERE = replace(ROW, device="2xh100")


def shown(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Return what the drift of runtimes is shown to be, by LLM and device."""
    return {
        (sample.labels["llm"], sample.labels["device"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "jouleplan_runtime_drifted"
    }


def drift(decisions: DecisionService, *keys: BiasKey) -> None:
    """Let runtimes be off by more than is corrected."""
    for key in keys:
        for _ in range(60):
            decisions.calibration.add(key, 5.0, 1.0)


def test_a_pair_that_leaves_the_fleet_or_is_profiled_again_drifts_no_more() -> None:
    registry, decisions = CollectorRegistry(), DecisionService()
    DecisionMetrics(registry, Labels()).observe(decisions)
    decisions.load((ROW, ELSEWHERE))
    assert shown(registry) == {}
    drift(
        decisions,
        BiasKey("a", "1xh100", "first", RUNTIME),
        BiasKey("a", "2xh100", "first", RUNTIME),
    )
    assert shown(registry) == {("a", "1xh100"): 1.0, ("a", "2xh100"): 1.0}
    decisions.load((ROW,))
    assert shown(registry) == {("a", "1xh100"): 1.0}
    decisions.load((replace(ROW, cost_model="second"),))
    assert shown(registry) == {}


def test_pairs_that_the_fleet_has_not_are_not_shown() -> None:
    registry, decisions = CollectorRegistry(), DecisionService()
    DecisionMetrics(registry, Labels()).observe(decisions)
    drift(decisions, *(BiasKey(llm, "1xh100", "first", RUNTIME) for llm in "abc"))
    assert shown(registry) == {}
    decisions.load((ROW,))
    assert shown(registry) == {("a", "1xh100"): 1.0}
