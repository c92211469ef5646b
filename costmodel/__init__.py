"""Cost models of (LLM, device) pairs: words, formulas, artefacts and their catalogue."""

from costmodel.artefact import from_artefact, load, save, to_artefact
from costmodel.bases import BASES, Basis
from costmodel.catalogue import Catalogue, Refusal
from costmodel.cost_matrix import CostMatrix, slot_seconds
from costmodel.cost_model import CostModel
from costmodel.errors import CostModelError
from costmodel.intervals import ConformalInterval, total_interval
from costmodel.provenance import Provenance
from costmodel.region import Outside, ProfiledRegion
from costmodel.workload import Workload

__all__ = [
    "BASES",
    "Basis",
    "Catalogue",
    "ConformalInterval",
    "CostMatrix",
    "CostModel",
    "CostModelError",
    "Outside",
    "ProfiledRegion",
    "Provenance",
    "Refusal",
    "Workload",
    "from_artefact",
    "load",
    "save",
    "slot_seconds",
    "to_artefact",
    "total_interval",
]
