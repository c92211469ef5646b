"""Gauges of the evidence are those of the fleet's pairs, and go when these do."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import CollectorRegistry

from service.calls.placement_row import PlacementRow
from service.decisions.desk import DecisionDesk
from service.decisions.evidence import RUNTIME, About
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


def told(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Return what the drift of runtimes is told to be, by LLM and device."""
    return {
        (sample.labels["llm"], sample.labels["device"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "jouleplan_runtime_drifted"
    }


def drift(desk: DecisionDesk, *abouts: About) -> None:
    """Let runtimes be off by more than is corrected."""
    for about in abouts:
        for _ in range(60):
            desk.evidence.add(about, 5.0, 1.0)


def test_a_pair_that_leaves_the_fleet_or_is_profiled_again_drifts_no_more() -> None:
    registry, desk = CollectorRegistry(), DecisionDesk()
    DecisionMetrics(registry, Labels()).follow_evidence(desk.evidence)
    desk.load((ROW, ELSEWHERE))
    assert told(registry) == {}
    drift(desk, About("a", "1xh100", "first", RUNTIME), About("a", "2xh100", "first", RUNTIME))
    assert told(registry) == {("a", "1xh100"): 1.0, ("a", "2xh100"): 1.0}
    desk.load((ROW,))
    assert told(registry) == {("a", "1xh100"): 1.0}
    desk.load((replace(ROW, cost_model="second"),))
    assert told(registry) == {}


def test_pairs_that_the_fleet_has_not_are_not_told() -> None:
    registry, desk = CollectorRegistry(), DecisionDesk()
    DecisionMetrics(registry, Labels()).follow_evidence(desk.evidence)
    drift(desk, *(About(llm, "1xh100", "first", RUNTIME) for llm in "abc"))
    assert told(registry) == {}
    desk.load((ROW,))
    assert told(registry) == {("a", "1xh100"): 1.0}
