"""The fleets that come with jouleplan: valid, sourced, and planned over as they are."""

import json
from pathlib import Path

import pytest

from costmodel.catalogue import Catalogue
from service.calls.fleet.file import read_fleet_file
from service.calls.fleet.placements import build_candidates, contradictions
from service.calls.planner_service import PlannerService
from service.calls.schemas.information import CostModelsAnswer, PlacementsAnswer
from service.environment import embedded_models_dir
from service.settings.settings import Settings
from service.workers.process import load_service
from tests.service.answers import checked
from tests.service.bodies import call, columns

MODELS = embedded_models_dir()
FLEETS = ("fleet.yaml", "fleet-paper.yaml")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(MODELS)


@pytest.fixture(scope="module", params=FLEETS)
def shipped(request: pytest.FixtureRequest) -> PlannerService:
    return load_service(Settings(fleet=MODELS / request.param))[0]


@pytest.mark.parametrize("name", FLEETS)
def test_every_placement_has_a_cost_model_that_was_profiled_there(
    catalogue: Catalogue, name: str
) -> None:
    fleet = read_fleet_file(MODELS / name).fleet
    assert contradictions(fleet) == []
    candidates = build_candidates(fleet, catalogue)
    assert candidates.missing == ()
    provenance = {
        (c.cost_model.provenance.source, c.cost_model.provenance.task)
        for c in candidates.placements
    }
    assert len(provenance) == 1


@pytest.mark.parametrize("name", FLEETS)
def test_every_figure_has_a_source(name: str) -> None:
    fleet = read_fleet_file(MODELS / name).fleet
    assert set(fleet.quality) == {llm for pool in fleet.pools for llm in pool.llms}
    for llm in fleet.quality:
        assert "quality" in fleet.sources or f"quality.{llm}" in fleet.sources
    for figure in ("count", "concurrency", "idle_watts"):
        assert fleet.sources[figure]
    assert any(source.startswith("max_context_tokens") for source in fleet.sources)


def test_a_batch_is_planned_over_each(shipped: PlannerService) -> None:
    status, answer, _ = call(shipped, {"columns": columns(20)})
    assert status == 200, answer
    assert answer["energy_joules"]["low"] < answer["energy_joules"]["value"]
    assert "mixed_provenance" not in {w["code"] for w in answer["warnings"]}


def test_the_default_fleet_offers_a_choice_of_quality_and_price(catalogue: Catalogue) -> None:
    candidates = build_candidates(read_fleet_file(MODELS / "fleet.yaml").fleet, catalogue)
    assert 6 <= len(candidates.placements) <= 30
    assert len({p.quality for p in candidates.placements}) >= 4


def test_the_sources_of_the_fleets_name_no_place_on_a_machine() -> None:
    for name in FLEETS:
        assert "/home" not in Path(MODELS / name).read_text(encoding="utf-8")


def test_what_is_shipped_is_reported_in_the_documented_form() -> None:
    _, description = load_service(Settings())
    assert description.reasons == ()
    assert description.refused == ()
    loaded = checked(json.loads(description.cost_models_body), CostModelsAnswer)
    assert len(loaded["cost_models"]) == len(list(MODELS.glob("*.joblib")))
    checked(json.loads(description.placements_body), PlacementsAnswer)
