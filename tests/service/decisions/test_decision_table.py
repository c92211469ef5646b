"""Rows predict what cost models do, and tell them apart by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.catalogue import Catalogue
from costmodel.cost_model import CostModel
from costmodel.intervals import ConformalInterval
from costmodel.one_request import Prompts, Terms
from service.calls.fleet.decision_table import decision_rows
from service.calls.fleet.placements import build_candidates
from service.calls.placement_row import PlacementRow
from service.calls.schemas.fleet import FleetSpec
from service.decisions.cost import cost_of
from tests.costmodel.builders import kv_on_cost_model

POOL = {"name": "p", "device": "1xh100", "count": 1, "llms": ["qwen3-8b"], "concurrency": [1, 8]}


def rows(cost_model: CostModel) -> tuple[PlacementRow, ...]:
    catalogue = Catalogue({(cost_model.llm, cost_model.device): cost_model})
    fleet = FleetSpec.model_validate({"pools": [POOL]})
    return decision_rows(build_candidates(fleet, catalogue))


def identities(cost_model: CostModel) -> set[str]:
    return {row.cost_model for row in rows(cost_model)}


def changed(**changes: Any) -> set[str]:
    return identities(kv_on_cost_model(**changes))


def test_all_levels_have_one_identity_and_it_changes_with_the_predictions_alone() -> None:
    before = changed()
    assert len(before) == 1
    assert changed() == before
    assert changed(load_s=1.0, idle_watts=7.0) == before
    for name in ("energy_coefficients", "device_seconds_coefficients"):
        other = tuple(1.4 * value for value in getattr(kv_on_cost_model(), name))
        assert not changed(**{name: other}) & before


COST_MODEL = replace(
    kv_on_cost_model(),
    energy_interval=ConformalInterval(1.4, 20),
    device_seconds_interval=ConformalInterval(2.3, 20),
)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 10_000), st.sampled_from([0, 1]))
def test_one_request_has_the_intervals_that_arrays_have(tin: int, tout: int, level: int) -> None:
    row = rows(COST_MODEL)[level]
    cost = cost_of(row, Terms(Prompts.of(float(tin)), float(tout)))
    bounds = COST_MODEL.energy_bounds_j([tin], [tout], float(row.concurrency))
    assert bounds is not None
    assert cost.energy_bounds() == pytest.approx((bounds[0][0], bounds[1][0]))
    assert COST_MODEL.device_seconds_interval is not None
    low, high = COST_MODEL.device_seconds_interval.bounds([cost.runtime_s], [cost.runtime_s])
    assert cost.runtime_bounds() == pytest.approx((low[0], high[0]))
