"""The shipped fleets with their cost models, by the service's own code."""

from __future__ import annotations

from costmodel.catalogue import Catalogue
from service.calls.fleet.file import read_fleet_file
from service.calls.fleet.placements import Candidates, build_candidates
from service.environment import FLEET_FILE, embedded_models_dir

PAPER_FLEET_FILE = "fleet-paper.yaml"


def default_fleet() -> Candidates:
    """Return the fleet that the service plans on where a call brings none."""
    return _candidates(FLEET_FILE)


def paper_fleet() -> Candidates:
    """Return the A100 fleet of arXiv 2407.04014."""
    return _candidates(PAPER_FLEET_FILE)


def _candidates(name: str) -> Candidates:
    folder = embedded_models_dir()
    candidates = build_candidates(read_fleet_file(folder / name).fleet, Catalogue.load(folder))
    if candidates.missing:
        reasons = "\n".join(error.detail for error in candidates.missing)
        msg = f"Expected a cost model for every LLM of {name}:\n{reasons}"
        raise LookupError(msg)
    return candidates
