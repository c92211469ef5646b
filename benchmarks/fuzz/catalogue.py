"""Cost models as `GET /cost-models` tells them: what a caller can know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class CardFigures:
    """What is told of one cost model.

    Attributes
    ----------
    load_s, load_j
        Seconds and joules of loading the LLM; None where that was not measured.
    kind
        What has to be alike before cost models are planned over together.
    """

    llm: str
    device: str
    max_concurrency: float
    max_context_tokens: int | None
    load_s: float | None
    load_j: float | None
    kind: tuple[str, str, str]

    @property
    def loads(self) -> bool:
        """Whether it can be used where the LLM is not resident."""
        return self.load_s is not None and self.load_j is not None


Catalogue = Mapping[tuple[str, str], CardFigures]
"""Figures of cards by LLM and device."""


def read_catalogue(answer: Json) -> Catalogue:
    """Return the cost models of an answer of `GET /cost-models`."""
    found = [_known(entry) for entry in answer["cost_models"]]
    return {(known.llm, known.device): known for known in found}


def _known(entry: Json) -> CardFigures:
    provenance = entry["provenance"]
    return CardFigures(
        llm=entry["llm"],
        device=entry["device"],
        max_concurrency=entry["max_concurrency"],
        max_context_tokens=entry["max_context_tokens"],
        load_s=entry["load_seconds"],
        load_j=entry["load_energy_joules"],
        kind=(
            provenance["energy_scope"],
            str(provenance["kv_cache"]),
            str(provenance["engine"]),
        ),
    )
