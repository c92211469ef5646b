"""What a worker has loaded, sent once to the process that speaks HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from costmodel.catalogue import MISSING_FOLDER
from costmodel.cost_model import CostModel
from service.calls.fleet.decision_table import decision_rows
from service.calls.fleet.loading import Loaded
from service.calls.fleet.placements import Candidates, candidate_list
from service.calls.messages import FLEET, CostModelLabels, Description
from service.calls.schemas.information import (
    CostModelAnswer,
    CostModelsAnswer,
    FleetPlacement,
    PlacementsAnswer,
    RefusedArtefact,
)
from service.settings.files import FileSettings


def describe(loaded: Loaded, fleet: Candidates | None, files: FileSettings) -> Description:
    """Describe what is loaded, and the service's own fleet, None where it has none.

    A catalogue without cost models is a reason why the service cannot plan.
    """
    catalogue = loaded.catalogue
    refused: list[RefusedArtefact] = [
        {"path": r.path, "kind": r.kind, "reason": r.reason} for r in catalogue.refused
    ]
    nothing = () if catalogue.cost_models else ("No cost model could be loaded.",)
    placements: PlacementsAnswer = {"placements": [] if fleet is None else _placements(fleet)}
    cost_models: CostModelsAnswer = {
        "cost_models": [_cost_model(c) for c in catalogue.cost_models.values()],
        "refused": refused,
    }
    return Description(
        placements_body=orjson.dumps(placements),
        cost_models_body=orjson.dumps(
            cost_models, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
        ),
        cost_models=tuple(
            CostModelLabels(c.llm, c.device, c.basis, c.provenance.source)
            for c in catalogue.cost_models.values()
        ),
        refused=tuple(refused),
        reasons=(*nothing, *loaded.reasons),
        notes=loaded.notes,
        missing=tuple(_missing(loaded, files)),
        failures=loaded.failures,
        loaded=loaded.packed(),
        files_seen=loaded.seen,
        placement_count=len(placements["placements"]),
        llms=frozenset(() if fleet is None else fleet.llms),
        pools=frozenset(() if fleet is None else fleet.pool_names),
        devices=frozenset(() if fleet is None else (pool.device for pool in fleet.pools)),
        rows=() if fleet is None else decision_rows(fleet),
        llm_pools=frozenset(
            () if fleet is None else ((p.llm, fleet.pools[p.pool].name) for p in fleet.placements)
        ),
    )


def _missing(loaded: Loaded, files: FileSettings) -> Iterator[str]:
    """Yield what the settings name and is not there, in the words of who made them."""
    if not loaded.catalogue.cost_models:
        refused = loaded.catalogue.refused
        why = f"{refused[0].path}: {refused[0].reason}" if refused else "there is none in it."
        if refused and refused[0].of_folder:
            is_absent = refused[0].kind == MISSING_FOLDER
            why = "there is no such folder." if is_absent else refused[0].reason
        yield (
            f"JOULEPLAN_MODELS_DIR: Expected a folder of cost models, got {files.models_dir}: {why}"
        )
    elif loaded.file is None and FLEET not in loaded.failures:
        yield f"JOULEPLAN_FLEET: Expected a fleet file, got none at {files.fleet_path}."


def _placements(fleet: Candidates) -> list[FleetPlacement]:
    return [
        {
            **named,
            "quality": placement.quality,
            "max_context_tokens": placement.max_context_tokens,
            "resident": placement.llm in fleet.pools[placement.pool].resident,
        }
        for named, placement in zip(
            candidate_list(fleet.pools, fleet.placements), fleet.placements, strict=True
        )
    ]


def _cost_model(cost_model: CostModel) -> CostModelAnswer:
    provenance = cost_model.provenance
    return {
        "llm": cost_model.llm,
        "device": cost_model.device,
        "num_gpus": cost_model.num_gpus,
        "basis": cost_model.basis,
        "max_concurrency": cost_model.max_concurrency,
        "max_context_tokens": cost_model.max_context_tokens,
        "load_seconds": cost_model.load_s,
        "load_energy_joules": cost_model.load_energy_j,
        "idle_watts": cost_model.idle_watts,
        "has_interval": cost_model.energy_interval is not None,
        "has_mixed_lengths": cost_model.mixed_lengths is not None,
        "provenance": {
            "source": provenance.source,
            "date": provenance.date,
            "hardware": provenance.hardware,
            "driver": provenance.driver,
            "engine": provenance.engine,
            "kv_cache": provenance.kv_cache,
            "energy_scope": provenance.energy_scope,
            "task": provenance.task,
            "observations": provenance.observations,
            "points": provenance.points,
            "notes": list(provenance.notes),
            "null_reasons": dict(provenance.null_reasons),
        },
        "errors": dict(cost_model.errors),
    }
