"""Rows tell cost models apart by what they predict."""

from __future__ import annotations

from typing import Any

from costmodel.catalogue import Catalogue
from costmodel.cost_model import CostModel
from service.calls.fleet.decision_table import decision_rows
from service.calls.fleet.placements import build_candidates
from service.calls.schemas.fleet import FleetSpec
from tests.costmodel.builders import kv_on_cost_model

POOL = {"name": "p", "device": "1xh100", "count": 1, "llms": ["qwen3-8b"], "concurrency": [1, 8]}


def identities(cost_model: CostModel) -> set[str]:
    catalogue = Catalogue({(cost_model.llm, cost_model.device): cost_model})
    fleet = FleetSpec.model_validate({"pools": [POOL]})
    return {row.cost_model for row in decision_rows(build_candidates(fleet, catalogue))}


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
